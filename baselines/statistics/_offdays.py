"""Off-days found from the data: on them fewer of the training users are where they spend their working hours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from baselines.statistics._votes import Places
from bench.adapters.adapter import Context, PerUser, Settings
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.data.world import Calendar
from bench.files import write_text

FILE = "off_days.json"
WORKING, NIGHT = (3 / 8, 3 / 4), (7 / 24, 21 / 24)  # from 9 to 18 h; before 7 h and after 21 h
LEAST_GAP = 0.2  # between the two kinds' shares, relative to the larger: below it all days are alike


class OffDaySettings(Settings):
    """Where off-days come from."""

    off_days: Literal["calendar", "data"] = Field(
        "calendar", description="the source's calendar, or found in the days of training users, of whom 100 are enough"
    )


class KnowsOffDays(PerUser):
    """Base of per-user statistics that ask whether a day is off; with off_days = data they learn it in fit."""

    Settings = OffDaySettings
    settings: OffDaySettings

    def __init__(self, settings: OffDaySettings | None = None) -> None:
        super().__init__(settings)
        self._found: Calendar | None = None
        if self.settings.off_days == "data":
            self.learns_from = "train users"  # type: ignore[misc]

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Find the off-days among the training days, and in later weeks by the weekday."""
        if self.settings.off_days == "data":
            self._found = find_off_days(train, ctx.grid.slots, ctx.window.horizon[1])

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the calendar that the settings want."""
        return super().predict(history, queries, self.knowing(ctx))

    def knowing(self, ctx: Context) -> Context:
        """Return the context with the calendar that the settings want."""
        return replace(ctx, calendar=self._found) if self._found else ctx

    def save(self, folder: Path) -> None:
        """Write the days that were found."""
        if self._found:
            write_text(folder / FILE, json.dumps(sorted(self._found.holidays)))

    def load(self, folder: Path) -> None:
        """Read the days that were found."""
        if self.settings.off_days == "data":
            days = json.loads((folder / FILE).read_text(encoding="utf-8"))
            self._found = Calendar(weekend=frozenset(), holidays=frozenset(days))

    def facts(self) -> dict[str, int | float | str]:
        """How many days were found to be off."""
        return {"off_days": len(self._found.holidays)} if self._found else {}


def find_off_days(train: Trajectories, slots: int, last_day: int) -> Calendar:
    """Return a calendar that lists the off-days up to ``last_day``.

    Weekdays (d % 7) are parted in two kinds by the share of people at work; a single day changes its kind, as a holiday
    does, where its own share lies beyond the middle by more than its standard error.
    """
    share, error = _at_work(train, slots, last_day + 1)
    days = np.arange(last_day + 1)
    known = ~np.isnan(share)
    weekday = np.full(7, np.nan)
    for i in np.unique(days[known] % 7):
        weekday[i] = np.median(share[known & (days % 7 == i)])  # not the mean: holidays are often Mondays
    middle = _middle(weekday[~np.isnan(weekday)])
    side = np.sign(middle - np.where(known & (np.abs(share - middle) > error), share, weekday[days % 7]))
    return Calendar(weekend=frozenset(), holidays=frozenset(days[side > 0].tolist()))


def _at_work(train: Trajectories, slots: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of working-hour points at the user's main daytime place: per day, mean over users and its error.

    Days without points are NaN.
    """
    shares = np.full((len(train.users), days), np.nan)
    for i, user in enumerate(train.users):
        rows = train.of(user)
        places, time = Places.of(rows), rows.t / slots
        working = (time >= WORKING[0]) & (time < WORKING[1])
        night = (time < NIGHT[0]) | (time >= NIGHT[1])
        home = np.bincount(places.row[night], minlength=len(places)).argmax()
        visits = np.bincount(places.row[working & (places.row != home)], minlength=len(places))
        if visits.any():
            points = np.bincount(rows.d[working], minlength=days)[:days]
            there = np.bincount(rows.d[working & (places.row == visits.argmax())], minlength=days)[:days]
            np.divide(there, points, out=shares[i], where=points > 0)
    users = (~np.isnan(shares)).sum(axis=0)
    mean = np.divide(np.nansum(shares, axis=0), users, out=np.full(days, np.nan), where=users > 0)
    spread = np.nansum((shares - mean) ** 2, axis=0) / np.maximum(users - 1, 1)
    return mean, np.sqrt(spread / np.maximum(users, 1))


def _middle(share: np.ndarray) -> float:
    """Return the border between two kinds of weekdays (least variance within both); below all where they are alike."""
    values = np.sort(share)
    cuts = np.arange(1, len(values))
    lower = np.array([values[:cut].mean() for cut in cuts])
    upper = np.array([values[cut:].mean() for cut in cuts])
    if not len(cuts):
        return -np.inf
    best = int(np.argmax(cuts * cuts[::-1] * (upper - lower) ** 2))
    return (lower[best] + upper[best]) / 2 if upper[best] - lower[best] >= LEAST_GAP * upper[best] else -np.inf
