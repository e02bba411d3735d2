"""Off-days found from the data: on them fewer of the training users are where they spend their working hours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bench.adapters.adapter import Context, PerUser, Settings
from bench.data.learned_calendar import learned_calendar
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.files import write_text

FILE = "off_days.json"


class OffDaySettings(Settings):
    """Where off-days come from."""

    off_days: Literal["calendar", "data"] = Field(
        "calendar", description="the source's calendar, or found in the days of training users, of whom 100 are enough"
    )


class KnowsOffDays(PerUser):
    """Base of per-user statistics that ask whether a day is off; with off_days = data they learn it in fit."""

    knows_worlds: ClassVar[bool] = True
    Settings = OffDaySettings
    settings: OffDaySettings

    def __init__(self, settings: OffDaySettings | None = None) -> None:
        super().__init__(settings)
        self._found: frozenset[int] | None = None
        if self.settings.off_days == "data":
            self.learns_from = "train users"  # type: ignore[misc]
            self.knows_worlds = False  # type: ignore[misc]  # the days of all cities are taken together

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Find the off-days among the training days, and in later weeks by the weekday."""
        if self.settings.off_days == "data":
            self._found = learned_calendar(train, ctx.grid.slots, ctx.calendar, ctx.window.horizon[1]).holidays

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the calendar that the settings want."""
        if self._found is not None:
            ctx = replace(ctx, calendar=replace(ctx.calendar, weekend=frozenset(), holidays=self._found))
        return super().predict(history, queries, ctx)

    def save(self, folder: Path) -> None:
        """Write the days that were found."""
        if self._found is not None:
            write_text(folder / FILE, json.dumps(sorted(self._found)))

    def load(self, folder: Path) -> None:
        """Read the days that were found."""
        if self.settings.off_days == "data":
            self._found = frozenset(json.loads((folder / FILE).read_text(encoding="utf-8")))

    def facts(self) -> dict[str, int | float | str]:
        """How many days were found to be off."""
        return {} if self._found is None else {"off_days": len(self._found)}
