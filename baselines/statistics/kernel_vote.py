"""kernel_vote: every history point votes for its cell, weighted by slot, weekday, day type and age."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines._decoding import DecodeSettings, choose
from baselines._ranking import ranked
from baselines.statistics._kernel import TUNED, Kernel, Votes, most_voted, proximity, smoothed, winners
from baselines.statistics._offdays import KnowsOffDays, OffDaySettings
from baselines.statistics._votes import Places
from bench.adapters.adapter import Context
from bench.adapters.origin import Tuned
from bench.data.trajectories import Queries, Trajectories


class KernelVote(KnowsOffDays):
    """Answer with the cell whose neighbourhood has the most votes: the one of highest expected GEO-BLEU proximity.

    Other ways to decode take each cell's share of a query's votes for its probability.
    """

    name: ClassVar[str] = "kernel_vote"

    class Settings(DecodeSettings, OffDaySettings):
        """The kernel. The defaults were tuned on days 45-59 of city B (HuMob 2024)."""

        slot_width: float = Field(0.7, gt=0, description="standard deviation of the slot kernel, in half-hours")
        weekday: float = Field(2.0, gt=0, description="factor for points on the same day of the week")
        day_type: float = Field(10.0, gt=0, description="factor for off-days among off-days, working days among those")
        tau: float = Field(30.0, gt=0, description="days after which a point's weight falls to 1/e")
        choices: int = Field(30, ge=1, description="cells that may be drawn, those with the most smoothed votes")

    settings: Settings

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose the kernel."""
        return (TUNED,)

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the winner of the votes for every query."""
        setting, (places, votes) = self.settings, self._votes(history, queries, ctx)
        if setting.decode == "slot":
            return places.at(winners(votes))
        near = proximity(places, ctx.grid)
        if setting.decode == "proximity":
            return places.at(winners(smoothed(votes, near)))
        chosen = most_voted(votes, near, setting.choices)
        return choose(np.take_along_axis(votes, chosen, axis=1), *places.at(chosen), queries, setting, ctx)

    def rank(self, history: Trajectories, queries: Queries, ctx: Context) -> np.ndarray:
        """Rank the user's cells by their votes."""
        places, votes = self._votes(history, queries, ctx)
        return ranked(votes, places.x, places.y, ctx.ranks)

    def _votes(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[Places, np.ndarray]:
        """Return the user's cells and each query's votes for them."""
        places, setting = Places.of(history), self.settings
        kernel = Kernel(setting.slot_width, setting.weekday, setting.day_type, setting.tau)
        return places, Votes(history, places, ctx.calendar, ctx.grid.slots)(queries, kernel)
