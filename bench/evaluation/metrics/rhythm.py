"""Rhythm: is the user predicted to be at the two main places in the right hours?

Which hours a user is seen at is given with the queries, so that activity by hour would say nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs

PLACES = 2  # home and the second place: the user's most frequent true cells
HOURS = 24


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return per user, in [0, 1], how far the predicted presence at the two main places is from the true one.

    The user's points fall into bins by hour and day type (off-day or working day). In each bin the difference between
    the predicted and the true number of points at a place is taken, summed over bins and both places, and divided by
    twice the number of points: 0 is the true rhythm, 1 means always at the one where the truth is at the other. Home
    and second place are the two most frequent cells of the truth (the first seen among equals). A missed point adds
    what no answer could exceed: one point.
    """
    hour = pairs.truth.t.astype(np.int64) * HOURS // pairs.world.grid.slots
    bins = hour + HOURS * pairs.world.calendar.is_off(pairs.truth.d)
    true_cell = _cells(pairs.truth_x, pairs.truth_y)
    said_cell = _cells(pairs.x, pairs.y)
    columns = (true_cell, said_cell, bins, pairs.missed)
    return {"rhythm@v1": np.array([_distance(*rows) for rows in zip(*map(pairs.split, columns), strict=True)])}


def _cells(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x.astype(np.int64) << 32) + y


def _distance(truth: np.ndarray, said: np.ndarray, bins: np.ndarray, missed: np.ndarray) -> float:
    """Return the rhythm of one user from cells, bins and missed rows."""
    cells, first, counts = np.unique(truth, return_index=True, return_counts=True)
    places = cells[np.lexsort((first, -counts))[:PLACES]]
    apart = 0.0
    for place in places:
        surplus = (said == place).astype(float) - (truth == place)
        surplus[missed] = 0.0
        apart += np.abs(np.bincount(bins, weights=surplus)).sum()
    return float((apart / 2 + missed.sum()) / len(truth))
