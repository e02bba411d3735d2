"""offday_slot_mode: the user's most frequent cell at the timeslot on days of the same type (off-days, working days)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines.statistics._offdays import KnowsOffDays, OffDaySettings
from baselines.statistics._votes import ModeSettings, Places, Ties, most_frequent, slots_around
from bench.adapters.adapter import Context
from bench.adapters.origin import Tuned, choices_made
from bench.data.trajectories import Queries, Trajectories


class OffdaySlotMode(KnowsOffDays):
    """Answer with the most frequent cell at (day type, slot).

    Unseen: at the slots around it on days of that type; then at those slots on all days; then of all.
    """

    name: ClassVar[str] = "offday_slot_mode"

    class Settings(ModeSettings, OffDaySettings):
        """The most recent of equals is better here than the first: DTW on city B of HuMob 2024 48.2 instead of 51.0."""

        ties: Ties = Field("recent", description="which of equals: the first seen, the most recent, the more frequent")

    settings: Settings

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose scores were in sight when the ways back and the ties were chosen."""
        return (choices_made("the way back where an hour has no history, and which of equal cells is taken"),)

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the mode of (day type, slot) for every query."""
        places = Places.of(history)
        step = ctx.grid.slots + 2 * self.settings.reach  # so that slots around midnight stay with their type
        seen, asked = ctx.calendar.is_off(history.d) * step, ctx.calendar.is_off(queries.d) * step
        around = slots_around(history.t, self.settings.reach)
        levels = [
            (seen + history.t, asked + queries.t),
            (seen[:, None] + around, asked + queries.t),
            (around, queries.t),
        ]
        return places.at(most_frequent(places, levels, self.settings.ties))
