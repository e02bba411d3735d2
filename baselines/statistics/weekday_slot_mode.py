"""weekday_slot_mode: the user's most frequent cell at the timeslot on that day of the week."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from baselines.statistics._votes import ModeSettings, Places, most_frequent, slots_around
from bench.adapters.adapter import Context, PerUser
from bench.data.trajectories import Queries, Trajectories


class WeekdaySlotMode(PerUser):
    """Answer with the most frequent cell at (weekday, slot); unseen: at the slot, around it, then of all."""

    name: ClassVar[str] = "weekday_slot_mode"
    Settings = ModeSettings
    settings: ModeSettings

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the mode of (weekday, slot) for every query."""
        places, slots = Places.of(history), ctx.grid.slots
        seen, asked = (ctx.calendar.weekday(rows.d) * slots for rows in (history, queries))
        levels = [
            (seen + history.t, asked + queries.t),
            (history.t, queries.t),
            (slots_around(history.t, self.settings.reach), queries.t),
        ]
        return places.at(most_frequent(places, levels, self.settings.ties))
