"""Jumps between consecutive points of a day: are they as long as the true ones, and could a person make them?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs

FASTEST_KMH = 150.0  # a fast train with its stops, door to door


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the two per user; NaN for users who never have two points on one day.

    jump_distance: the Wasserstein distance in km between the lengths of the predicted and of the true jumps, which for
    equally many is the mean difference of the sorted lengths. plausible_jumps: the share of predicted jumps that need
    at most 150 km/h; it holds nothing against staying at one place, so read it beside the other. A jump from or to a
    missed point is a grid's diagonal long and not plausible.
    """
    same_day = np.ones(len(pairs.x), dtype=bool)
    same_day[pairs.day_starts[:-1]] = False
    to = np.flatnonzero(same_day)
    grid = pairs.world.grid
    hours = (pairs.truth.t[to].astype(float) - pairs.truth.t[to - 1]) * 24 / grid.slots
    true_km = _lengths(pairs.truth_x, pairs.truth_y, to) * grid.cell_km
    said_km = _lengths(pairs.x, pairs.y, to) * grid.cell_km
    missed = pairs.missed[to] | pairs.missed[to - 1]
    plausible = (said_km <= FASTEST_KMH * hours) & ~missed

    apart, possible = np.full(len(pairs.starts) - 1, np.nan), np.full(len(pairs.starts) - 1, np.nan)
    cuts = np.searchsorted(to, pairs.starts)
    for user, (a, b) in enumerate(pairwise(cuts)):
        if a < b:
            apart[user] = _wasserstein(said_km[a:b], true_km[a:b], missed[a:b], pairs.diagonal_km)
            possible[user] = plausible[a:b].mean()
    return {"jump_distance@v1": apart, "plausible_jumps@v1": possible}


def _lengths(x: np.ndarray, y: np.ndarray, to: np.ndarray) -> np.ndarray:
    return np.hypot(x[to] - x[to - 1], y[to] - y[to - 1])


def _wasserstein(said: np.ndarray, true: np.ndarray, missed: np.ndarray, worst: float) -> float:
    return float(np.abs(np.sort(np.where(missed, worst, said)) - np.sort(true)).mean())
