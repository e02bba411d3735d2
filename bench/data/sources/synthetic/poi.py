"""Points of interest of a synthetic city: they stand where its people live or are drawn to."""

from __future__ import annotations

import numpy as np

from bench.data.poi import CATEGORIES, Poi
from bench.data.sources.synthetic.city import Maps
from bench.data.sources.synthetic.randomness import uniforms
from bench.data.world import Grid

TOTAL = 130_000  # a city, as in city B of HuMob 2024 (129,659)
APART = 1000  # added to the city's number: the numbers drawn here are none of those that made its people


def draw_poi(seed: int, city: int, maps: Maps, grid: Grid) -> Poi:
    """Draw the table of one city. Category k is the rarer the larger k is; by k modulo 4 it keeps to homes or to pull.

    Only whether a fraction counts as a whole point is chance.
    """
    homes = np.diff(maps.homes, prepend=0).reshape(maps.pull.shape)
    live, drawn = homes / homes.sum(), maps.pull / maps.pull.sum()
    rank = np.arange(1.0, CATEGORIES + 1)
    share = (1.0 / rank) / (1.0 / rank).sum()
    kept = (np.arange(CATEGORIES) % 4) / 3.0  # 0: where people live, 1: where they are drawn to
    wanted = TOTAL * share * (kept * drawn[:, :, None] + (1.0 - kept) * live[:, :, None])
    u = uniforms(seed, city + APART, wanted.size).reshape(wanted.shape)
    count = np.floor(wanted + u).astype(np.int64)
    y, x, category = np.nonzero(count)
    return Poi.build(grid, x + 1, y + 1, category + 1, count[y, x, category])
