"""Dynamic time warping in km at both versions in one pass: dtw@humob24 and dtw@fixed.

dtw@humob24 has the defect of the code that scored HuMob 2023 and 2024 (yahoojapan/geobleu before its commit 3afb63c of
May 2025): the first row of the cost matrix is all zero, so a beginning of the truth may be skipped for free. It is kept
so that published numbers can be compared. dtw@fixed is the true DTW, as the same code has it since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from bench.evaluation.metrics.kernels import jit, mean_over_days, per_day

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return both DTWs per user, in km. A missed point is a grid's diagonal away from every cell."""
    daily = np.empty((pairs.days, 2))
    arrays = (pairs.x, pairs.y, pairs.truth_x, pairs.truth_y, pairs.missed)
    per_day(_both, pairs.day_starts, pairs.threads, *arrays, pairs.world.grid.cell_km, pairs.diagonal_km, daily)
    humob24, fixed = mean_over_days(daily, pairs.first_days).T
    return {"dtw@humob24": humob24, "dtw@fixed": fixed}


@numba.njit
def _last(step, m, free_start, above, here):  # type: ignore[no-untyped-def]
    """Return the cost of the cheapest path through ``step``; with a free start it may begin at any column."""
    for j in range(m):
        above[j] = step[0, j] if free_start or j == 0 else above[j - 1] + step[0, j]
    for i in range(1, m):
        here[0] = above[0] + step[i, 0]
        for j in range(1, m):
            here[j] = min(above[j], here[j - 1], above[j - 1]) + step[i, j]
        above, here = here, above
    return above[m - 1]


@jit(
    "void(int64,int64,int64[::1],int32[::1],int32[::1],int32[::1],int32[::1],boolean[::1],float64,float64,float64[:,::1])"
)
def _both(first, last, starts, px, py, tx, ty, missed, cell_km, diagonal_km, out):  # type: ignore[no-untyped-def]
    """Fill out[day] with (humob24, fixed) for each day in first:last. Rows are the prediction, columns the truth."""
    most = 0
    for day in range(first, last):
        most = max(most, starts[day + 1] - starts[day])
    step = np.empty((most, most))
    above, here = np.empty(most), np.empty(most)
    for day in range(first, last):
        a = starts[day]
        m = starts[day + 1] - a
        for i in range(m):
            for j in range(m):
                dx, dy = px[a + i] - tx[a + j], py[a + i] - ty[a + j]
                step[i, j] = diagonal_km if missed[a + i] else np.sqrt(float(dx * dx + dy * dy)) * cell_km
        out[day, 0] = _last(step, m, True, above, here)
        out[day, 1] = _last(step, m, False, above, here)
