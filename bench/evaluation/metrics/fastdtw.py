"""A second opinion on dtw@fixed by the package ``fastdtw`` (Salvador and Chan 2007); slow, off by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.evaluation.metrics.kernels import mean_over_days

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the true DTW per user, in km. A radius as wide as the day makes fastdtw exact. Missed: as in dtw.py."""
    from fastdtw import fastdtw

    said = np.column_stack([pairs.x, pairs.y, pairs.missed]).astype(float)
    true = np.column_stack([pairs.truth_x, pairs.truth_y, np.zeros(len(pairs.x))]).astype(float)

    def step(p: np.ndarray, q: np.ndarray) -> float:
        away = float(np.hypot(p[0] - q[0], p[1] - q[1])) * pairs.world.grid.cell_km
        return pairs.diagonal_km if p[2] else away

    days = zip(pairs.day_starts[:-1], pairs.day_starts[1:], strict=True)
    daily = [fastdtw(said[a:b], true[a:b], radius=int(b - a), dist=step)[0] for a, b in days]
    return {"fastdtw@check": mean_over_days(np.array(daily)[:, None], pairs.first_days)[:, 0]}
