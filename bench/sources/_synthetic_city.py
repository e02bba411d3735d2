"""Where people live and where they are drawn to: density maps of a synthetic city, from its centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.sources._synthetic_random import stream, uniform
from bench.world import Grid


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of one city, indexed [y - 1, x - 1].

    homes: cumulative integer weights over the flattened cells, to draw homes from; pull: float64 attraction of each cell for
    work and leisure.
    """

    homes: np.ndarray
    pull: np.ndarray


def draw_maps(seed: int, city: int, centres: int, spread: float, grid: Grid) -> Maps:
    """Draw the maps of one city: ``centres`` towns, the first the largest; ``spread`` is their radius in cells."""
    state = stream(seed, city, -1)
    y, x = np.mgrid[0 : grid.height, 0 : grid.width] + 0.5
    homes, pull = np.zeros(x.shape), np.zeros(x.shape)
    for rank in range(centres):
        reach = 0.15 if rank == 0 else 0.42  # the main town lies near the middle
        cx = grid.width * (0.5 + reach * (2 * uniform(state) - 1))
        cy = grid.height * (0.5 + reach * (2 * uniform(state) - 1))
        radius = spread * (0.5 + uniform(state)) / np.sqrt(1.0 + rank)
        q = 1.0 + ((x - cx) ** 2 + (y - cy) ** 2) / (radius * radius)
        weight = 1.0 / (1.0 + rank)
        homes += weight / (q * np.sqrt(q))
        pull += weight / (q * q)
    patch = _patches(state, grid)
    homes *= patch
    pull = pull * (0.25 + patch) + 1e-4
    counts = np.rint(homes / homes.sum() * 1e9).astype(np.int64)  # integers: the last bit of a sum moves no home
    return Maps(np.cumsum(counts.ravel()), np.rint(pull / pull.sum() * 1e9))


def _patches(state: np.ndarray, grid: Grid) -> np.ndarray:
    """Land use: fields, parks and water (nobody) beside houses and blocks of flats, in patches of 1 and 5 cells."""
    fine = np.array([uniform(state) for _ in range(grid.height * grid.width)]).reshape(grid.height, grid.width)
    coarse = np.array([uniform(state) for _ in range(-(-grid.height // 5) * -(-grid.width // 5))])
    coarse = coarse.reshape(-(-grid.height // 5), -1).repeat(5, axis=0).repeat(5, axis=1)
    patch = coarse[: grid.height, : grid.width] * fine * fine
    return np.where(patch < 0.02, 0.0, patch)
