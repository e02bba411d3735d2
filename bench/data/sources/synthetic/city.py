"""Where people live and where they are drawn to: density maps of a synthetic city, from its centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.sources.synthetic.randomness import uniforms
from bench.data.world import Grid

BLOCK = 5  # cells along a quarter of one land use


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of one city, indexed [y - 1, x - 1].

    homes: cumulative integer weights over the flattened cells, to draw homes from; pull: float64 attraction of each
    cell for work and leisure.
    """

    homes: np.ndarray
    pull: np.ndarray


def draw_maps(seed: int, city: int, centres: int, spread: float, grid: Grid) -> Maps:
    """Draw the maps of one city: ``centres`` towns, the first the largest; ``spread`` is its radius in cells."""
    blocks = (-(-grid.height // BLOCK), -(-grid.width // BLOCK))
    sizes = [1, 3 * centres, blocks[0] * blocks[1], grid.height * grid.width]
    u = uniforms(seed, city, sum(sizes))
    first, towns, coarse, fine = np.split(u, np.cumsum(sizes)[:-1])
    turn = int(8 * first[0])
    y, x = np.mgrid[0 : grid.height, 0 : grid.width] + 0.5
    homes, pull = np.zeros(x.shape), np.zeros(x.shape)
    for rank, (across, down, size) in enumerate(towns.reshape(centres, 3)):
        right, below = _layout(rank, turn)
        cx = grid.width * (0.5 + 0.8 * right + 0.06 * (across - 0.5))
        cy = grid.height * (0.5 + 0.8 * below + 0.06 * (down - 0.5))
        radius = spread * (0.97 + 0.06 * size) / np.sqrt(1.0 + rank)
        q = 1.0 + ((x - cx) ** 2 + (y - cy) ** 2) / (radius * radius)
        homes += 1.0 / ((1.0 + rank) * q * np.sqrt(q))
        pull += 1.0 / ((1.0 + rank) * q * q)
    land = coarse.reshape(blocks).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[: grid.height, : grid.width]
    use = (0.3 + 0.7 * land) * fine.reshape(grid.height, grid.width) ** 2
    homes = np.where(use < 0.02, 0.0, use) * homes  # nobody lives in the park or on the water
    pull = (0.25 + use) * pull + 1e-4
    # whole numbers: the last bit of a sum moves nobody's home
    return Maps(np.cumsum(np.rint(homes / homes.sum() * 1e9).astype(np.int64)), np.rint(pull / pull.sum() * 1e9))


def _layout(rank: int, turn: int) -> tuple[float, float]:
    """Return where town ``rank`` lies, within +-0.5 of the middle: the first there, the others spread out evenly.

    A Halton sequence, not chance: cities of all seeds are alike in how far people travel. ``turn`` (0-7) mirrors and
    transposes it.
    """
    right, below = (0.0, 0.0) if rank == 0 else (_radical_inverse(rank, 2) - 0.5, _radical_inverse(rank, 3) - 0.5)
    right, below = (-right if turn & 1 else right), (-below if turn & 2 else below)
    return (below, right) if turn & 4 else (right, below)


def _radical_inverse(index: int, base: int) -> float:
    """Mirror the digits of ``index`` at the point (Halton 1960)."""
    value, scale = 0.0, 1.0
    while index:
        scale /= base
        value += scale * (index % base)
        index //= base
    return value
