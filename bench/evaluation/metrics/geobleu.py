"""GEO-BLEU in one pass: geobleu@humob24 and geobleu@grid (n-grams up to 3), geobleu@giscup25 (up to 5).

Shimizu, Yabe and Tsubouchi, GEO-BLEU: Similarity measure for geospatial sequences, SIGSPATIAL 2022.

Two cells of 500 m are near to each other by exp(-0.5 * distance in cells). geobleu@grid is the same for any size of
cells: exp(-distance in km). Slots of other lengths have n-grams of other durations, so that scores compare models, not
grids.

The scores are the same on every machine. They equal those of the reference code (yahoojapan/geobleu) bit for bit where
that code runs on a processor with AVX-512. Elsewhere numpy's ``exp`` rounds 5 % of the proximities otherwise, other
pairs tie, and the reference itself scores some trajectories otherwise: 13 of 400 real ones by up to 3e-4, others by up
to 5e-4.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np

from bench.evaluation.metrics.kernels import jit, mean_over_days, per_day

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs

ORDERS = {"geobleu@humob24": 3, "geobleu@giscup25": 5, "geobleu@grid": 3}
LONGEST = max(ORDERS.values())
_STALE = -1.0  # below every proximity: the row's maximum must be found anew
TABLE = Path(__file__).with_name("proximity.npy")


@cache
def proximity() -> np.ndarray:
    """Return exp(-0.5 * distance in cells) by squared distance, float64, frozen (made by make_proximity.py).

    Frozen because rounding decides ties and a tie decides a match, and numpy's ``exp`` differs between processors.
    """
    return np.load(TABLE, allow_pickle=False)


@cache
def _proximity(cell_km: float) -> np.ndarray:
    """Return exp(-distance in km) by squared distance in cells."""
    if cell_km == 0.5:
        return proximity()
    return np.exp(-cell_km * np.sqrt(np.arange(len(proximity()), dtype=np.float64)))


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the GEO-BLEUs per user, in [0, 1]. A missed point is near to nothing: proximity 0 to every cell."""
    precisions = np.zeros((pairs.days, LONGEST))
    arrays = (pairs.x, pairs.y, pairs.truth_x, pairs.truth_y, pairs.missed)
    cell_km = float(pairs.world.grid.cell_km)
    per_day(_precisions, pairs.day_starts, pairs.threads, *arrays, _proximity(cell_km), cell_km, precisions)
    with np.errstate(divide="ignore"):
        sums = np.cumsum(np.log(precisions), axis=1)
    daily = np.empty((pairs.days, len(ORDERS)))
    for column, order in enumerate(ORDERS.values()):
        # Prediction and truth hold the same points, so the brevity penalty is exp(0) = 1.
        used = np.minimum(np.diff(pairs.day_starts), order)
        daily[:, column] = np.exp(sums[np.arange(pairs.days), used - 1] / used)
    return dict(zip(ORDERS, mean_over_days(daily, pairs.first_days).T, strict=True))


@numba.njit
def _take_equal(gram, k, rows, cols):  # type: ignore[no-untyped-def]
    """Take the pairs of equal n-grams (product exactly 1); list the free rows and columns, return how many of each."""
    taken = np.zeros(k, np.bool_)
    free = 0
    for i in range(k):
        found = False
        for j in range(k):
            if gram[i, j] == 1.0 and not taken[j]:
                taken[j] = found = True
                break
        if not found:
            rows[free] = i
            free += 1
    column = 0
    for j in range(k):
        if not taken[j]:
            cols[column] = j
            column += 1
    return free


@numba.njit
def _greedy(gram, k, rows, cols, top, top_col):  # type: ignore[no-untyped-def]
    """Sum of proximities when pairs are taken from the nearest down, in listed order among equals, each side once.

    Equal n-grams come before all others; after these, the largest of the free rows' maxima is next. That is the order
    of a stable sort, without sorting. rows, cols, top, top_col: room for what is free and for the rows' maxima.
    """
    free = _take_equal(gram, k, rows, cols)
    total = float(k - free)
    for r in range(free):
        top[r] = _STALE
    while free > 0:
        best = 0
        for r in range(free):
            if top[r] == _STALE:
                row = gram[rows[r]]
                value, column = _STALE, cols[0]
                for c in range(free):
                    if row[cols[c]] > value:
                        value, column = row[cols[c]], cols[c]
                top[r], top_col[r] = value, column
            if top[r] > top[best]:
                best = r
        total += top[best]
        gone = top_col[best]
        kept = 0
        for c in range(free):
            if cols[c] != gone:
                cols[kept] = cols[c]
                kept += 1
        free -= 1
        for r in range(best, free):
            rows[r], top[r], top_col[r] = rows[r + 1], top[r + 1], top_col[r + 1]
        for r in range(free):
            if top_col[r] == gone:
                top[r] = _STALE
    return total


@jit(
    "void(int64,int64,int64[::1],int32[::1],int32[::1],int32[::1],int32[::1],boolean[::1],"
    "float64[::1],float64,float64[:,::1])"
)
def _precisions(first, last, starts, px, py, tx, ty, missed, table, cell_km, out):  # type: ignore[no-untyped-def]
    """Fill out[day, n - 1] with the n-gram precision of each day in first:last."""
    most = 0
    for day in range(first, last):
        most = max(most, starts[day + 1] - starts[day])
    near = np.empty((most, most))
    gram = np.empty((most, most))
    rows, cols, top_col = np.empty(most, np.uint32), np.empty(most, np.uint32), np.empty(most, np.uint32)
    top = np.empty(most)
    for day in range(first, last):
        a = starts[day]
        m = starts[day + 1] - a
        for i in range(m):
            for j in range(m):
                dx, dy = px[a + i] - tx[a + j], py[a + i] - ty[a + j]
                square = dx * dx + dy * dy
                if missed[a + i]:
                    near[i, j] = 0.0
                elif square < len(table):
                    near[i, j] = table[square]
                else:
                    near[i, j] = np.exp(-cell_km * np.sqrt(float(square)))
                gram[i, j] = near[i, j]
        for n in range(1, min(m, out.shape[1]) + 1):
            k = m - n + 1
            if n > 1:
                for i in range(k):
                    for j in range(k):
                        gram[i, j] *= near[i + n - 1, j + n - 1]
            out[day, n - 1] = _greedy(gram, k, rows, cols, top, top_col) / k
