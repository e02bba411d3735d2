"""The frame in which people move: the grid, the calendar and the window of days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
HALF_HOURS = 48  # in a day: constants that were tuned on half-hour slots are scaled from these


@dataclass(frozen=True)
class Grid:
    """A grid of square cells; x grows to the right from 1, y downwards from 1; a day has ``slots`` timeslots."""

    width: int = 200
    height: int = 200
    cell_km: float = 0.5
    slots: int = 48

    @property
    def half_hours(self) -> float:
        """How many half-hours a slot lasts."""
        return HALF_HOURS / self.slots

    @property
    def half_kms(self) -> float:
        """How many half-kilometres, HuMob's cells, a cell's side is long."""
        return self.cell_km / 0.5

    def __str__(self) -> str:
        """Name the grid for readers, e.g. ``200 x 200 cells of 500 m, 48 slots a day``."""
        return f"{self.width} x {self.height} cells of {1000 * self.cell_km:g} m, {self.slots} slots a day"


@dataclass(frozen=True)
class Calendar:
    """Which day of the week each day is, and which days are off-days. The defaults are those of HuMob 2023/2024.

    first_weekday: weekday of day 0; weekdays count from Sunday = 0. weekend: weekdays that are off. holidays: further
    off-days, as day numbers. breaks: (after, days): so many days pass between day ``after`` and the next one.
    """

    weekend: frozenset[int] = frozenset({0, 6})
    holidays: frozenset[int] = frozenset({1, 8, 29, 37, 50})
    first_weekday: int = 0
    breaks: tuple[tuple[int, int], ...] = ()

    def elapsed(self, days: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return int64, how many days lie between day 0 and each day, breaks counted in: for ages and gaps."""
        d = np.asarray(days, dtype=np.int64)
        return d + sum((length * (d > after) for after, length in self.breaks), np.zeros_like(d))

    def weekday(self, days: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return int64, the weekday of each day, Sunday = 0."""
        return (self.elapsed(days) + self.first_weekday) % 7

    def is_off(self, days: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return a boolean array: is each day on a weekend or a holiday?"""
        d = np.asarray(days, dtype=np.int64)
        return np.isin(self.weekday(d), sorted(self.weekend)) | np.isin(d, sorted(self.holidays))


@dataclass(frozen=True)
class Window:
    """First and last day (both included) that a model may see of a test user, and that it must predict."""

    history: tuple[int, int] = (0, 59)
    horizon: tuple[int, int] = (60, 74)

    @property
    def history_days(self) -> int:
        """How many days the history has."""
        return self.history[1] - self.history[0] + 1

    @property
    def horizon_days(self) -> int:
        """How many days are to be predicted."""
        return self.horizon[1] - self.horizon[0] + 1


@dataclass(frozen=True)
class World:
    """Grid and calendar of one city.

    uids_a_user: above 1 where one person or animal has several uids, each a window of days; ``uid // uids_a_user``
    says who it is. people: another city, where this one has its people on another grid; they are resampled together.
    """

    grid: Grid = field(default_factory=Grid)
    calendar: Calendar = field(default_factory=Calendar)
    uids_a_user: int = 1
    people: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it: in jobs, records and identities."""
        calendar = self.calendar
        several: dict[str, Any] = {"uids_a_user": self.uids_a_user} if self.uids_a_user > 1 else {}
        shared = {"people": self.people} if self.people else {}
        return {
            "grid": vars(self.grid),
            "weekend": sorted(calendar.weekend),
            "holidays": sorted(calendar.holidays),
            "first_weekday": calendar.first_weekday,
            "breaks": [list(pause) for pause in calendar.breaks],
            **several,
            **shared,
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> World:
        """Return the world that :meth:`plain` wrote."""
        breaks = tuple((after, days) for after, days in plain["breaks"])
        days = frozenset(plain["weekend"]), frozenset(plain["holidays"])
        calendar = Calendar(*days, plain["first_weekday"], breaks)
        return cls(Grid(**plain["grid"]), calendar, plain.get("uids_a_user", 1), plain.get("people", ""))


def not_humob(worlds: Mapping[str, World]) -> dict[str, Any]:
    """Return the worlds of the cities that have not HuMob's, as plain values: what identities name beside the rows."""
    return {city: world.plain() for city, world in worlds.items() if world != World()}
