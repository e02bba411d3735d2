"""user_mode: the user's most frequent cell, at all times."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from baselines._ranking import ranked
from baselines.statistics._votes import Places
from bench.adapters.adapter import Context, PerUser
from bench.data.trajectories import Queries, Trajectories


class UserMode(PerUser):
    """Answer every query with the user's most frequent cell (the first seen among equals)."""

    name: ClassVar[str] = "user_mode"

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the mode of the history's cells for every query."""
        places = Places.of(history)
        best = np.bincount(places.row).argmax()  # places come in the order of first sight
        return places.at(np.full(len(queries), best))

    def rank(self, history: Trajectories, queries: Queries, ctx: Context) -> np.ndarray:
        """Rank the user's cells by how often they were seen."""
        places = Places.of(history)
        counts = np.tile(np.bincount(places.row), (len(queries), 1))
        return ranked(counts, places.x, places.y, ctx.ranks)
