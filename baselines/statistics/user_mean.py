"""user_mean: the rounded mean of the user's cells, at all times."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Context, PerUser
from bench.data.trajectories import Queries, Trajectories


class UserMean(PerUser):
    """Answer every query with the mean x and the mean y of the user's history, each rounded."""

    name: ClassVar[str] = "user_mean"

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the rounded mean for every query."""
        n = len(queries)
        return np.full(n, np.rint(history.x.mean())), np.full(n, np.rint(history.y.mean()))
