"""user_mode: the user's most frequent cell, at all times."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bench.adapter import Context, PerUser
from bench.trajectories import Queries, Trajectories


class UserMode(PerUser):
    """Answer every query with the user's most frequent cell (the first seen among equals)."""

    name: ClassVar[str] = "user_mode"

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the mode of the history's cells for every query."""
        cell = history.x.astype(np.int64) * 100_000 + history.y
        values, first, counts = np.unique(cell, return_index=True, return_counts=True)
        best = values[np.lexsort((first, -counts))[0]]
        n = len(queries)
        return np.full(n, best // 100_000), np.full(n, best % 100_000)
