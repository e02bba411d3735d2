"""slot_mode: the user's most frequent cell at the timeslot."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from baselines.statistics._votes import ModeSettings, Places, most_frequent, slots_around
from bench.adapters.adapter import Context, PerUser
from bench.data.trajectories import Queries, Trajectories


class SlotMode(PerUser):
    """Answer with the most frequent cell at the slot; unseen: at the slots around it; then of all."""

    name: ClassVar[str] = "slot_mode"
    Settings = ModeSettings
    settings: ModeSettings

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot's mode for every query."""
        places = Places.of(history)
        levels = [(history.t, queries.t), (slots_around(history.t, self.settings.reach), queries.t)]
        return places.at(most_frequent(places, levels, self.settings.ties))
