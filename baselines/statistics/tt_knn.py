"""tt_knn: a day walked slot by slot, each step to the nearest of the user's past points (TT-KNN, HuMob 2024)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines.statistics._votes import Places
from bench.adapters import adapter
from bench.adapters.adapter import Context, PerUser
from bench.adapters.origin import Tuned, constants_tuned
from bench.data.trajectories import Queries, Trajectories


class TimeKnn(PerUser):
    """Answer every day with one profile of a day.

    Cells visited rarely are left out. From the last known cell the walk goes through the slots of a day; at each it
    moves to the most frequent of the k past points of that slot that lie nearest, and stays where there is none.
    """

    name: ClassVar[str] = "tt_knn"

    class Settings(adapter.Settings):
        """Which past points count."""

        k: int = Field(20, ge=1, description="past points of the slot, nearest to the last cell, that decide")
        least_visits: int = Field(5, ge=1, description="cells with fewer visits are left out, if any has as many")

    settings: Settings

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose the defaults."""
        return (constants_tuned("k"),)

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the profile's cell at the slot of every query."""
        places = Places.of(history)
        kept = np.bincount(places.row)[places.row] >= self.settings.least_visits
        if not kept.any():
            kept[:] = True
        profile = self._profile(places, places.row[kept], history.t[kept], ctx.grid.slots)
        return places.at(profile[queries.t])

    def _profile(self, places: Places, row: np.ndarray, slot: np.ndarray, slots: int) -> np.ndarray:
        """Return a place for each slot of a day."""
        here, profile = int(row[-1]), np.empty(slots, np.int64)
        apart = np.hypot(places.x[:, None] - places.x, places.y[:, None] - places.y)
        order = np.argsort(slot, kind="stable")
        row, bounds = row[order], np.searchsorted(slot[order], np.arange(slots + 1))
        for t in range(slots):
            points = row[bounds[t] : bounds[t + 1]]
            if len(points):
                nearest = points[np.argsort(apart[here, points], kind="stable")[: self.settings.k]]
                here = int(np.bincount(nearest).argmax())
            profile[t] = here
        return profile
