"""The frame in which people move: the grid, the calendar and the window of days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A grid of square cells; x grows to the right from 1, y downwards from 1; a day has ``slots`` timeslots."""

    width: int = 200
    height: int = 200
    cell_km: float = 0.5
    slots: int = 48


@dataclass(frozen=True)
class Calendar:
    """Which days are off-days: weekends as residues of d % 7, and listed holidays.

    The defaults are those of HuMob 2023/2024 (days count from 0).
    """

    weekend: frozenset[int] = frozenset({0, 6})
    holidays: frozenset[int] = frozenset({1, 8, 29, 37, 50})

    def is_off(self, days: np.ndarray | Iterable[int]) -> np.ndarray:
        """Return a boolean array: is each day a weekend or a holiday?"""
        d = np.asarray(days, dtype=np.int64)
        return np.isin(d % 7, sorted(self.weekend)) | np.isin(d, sorted(self.holidays))


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
    """Grid and calendar of one data source."""

    grid: Grid = field(default_factory=Grid)
    calendar: Calendar = field(default_factory=Calendar)
