"""slot_mode: the user's most frequent cell at the timeslot."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines._votes import Places, most_frequent, slots_around
from bench import adapter
from bench.adapter import Context, PerUser
from bench.trajectories import Queries, Trajectories


class SlotMode(PerUser):
    """Answer with the most frequent cell at the slot; unseen: at the slots around it; then of all."""

    name: ClassVar[str] = "slot_mode"

    class Settings(adapter.Settings):
        """How a slot without history is answered."""

        reach: int = Field(2, ge=0, description="slots on either side to look at where the slot has no history")

    settings: Settings

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot's mode for every query, the first seen among equals."""
        places = Places.of(history)
        levels = [(history.t, queries.t), (slots_around(history.t, self.settings.reach), queries.t)]
        return places.at(most_frequent(places, levels))
