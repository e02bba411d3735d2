"""Kernel votes: every history point votes for its place, the more the closer it is in slot, day and date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines._votes import Places
from bench.trajectories import Queries, Trajectories
from bench.world import Calendar

WEEK = 7
FAR = 1e-9  # least slot weight: points of other hours decide where the hour has none


@dataclass(frozen=True)
class Kernel:
    """Weight of a history point for a query.

    exp(-(slot distance)^2 / 2 slot_width^2), times ``weekday`` on the same day of the week, times ``day_type`` if both
    are off-days or both are not, times exp(-age in days / tau).
    """

    slot_width: float
    weekday: float
    day_type: float
    tau: float


class Votes:
    """One user's history, ready to vote with any kernel.

    Points of one (weekday, day type, slot, place) differ by their age alone, so they are summed before any weighing.
    """

    def __init__(self, history: Trajectories, places: Places, calendar: Calendar, slots: int) -> None:
        self._places, self._calendar, self._slots = places, calendar, slots
        self._age = (history.d.max() - history.d).astype(np.float64)
        kind = _day_kind(history.d, calendar)
        self._index = (kind * slots + history.t) * len(places) + places.row

    def __call__(self, queries: Queries, kernel: Kernel) -> np.ndarray:
        """Return the votes for each place, shape (queries, places), each row up to a factor of its own."""
        kinds, slots, places = 2 * WEEK, self._slots, len(self._places)
        weight = np.exp(-self._age / kernel.tau)
        summed = np.bincount(self._index, weight, kinds * slots * places).reshape(kinds, slots, places)
        slot = np.arange(slots)
        near = np.maximum(np.exp(-((slot[:, None] - slot) ** 2) / (2 * kernel.slot_width**2)), FAR)
        days, which = np.unique(_day_kind(queries.d, self._calendar), return_inverse=True)
        kind = np.arange(kinds)
        alike = np.where(days[:, None] % WEEK == kind % WEEK, kernel.weekday, 1.0)
        alike *= np.where(days[:, None] // WEEK == kind // WEEK, kernel.day_type, 1.0)
        by_day = np.tensordot(alike, summed, axes=1)
        return (near @ by_day)[which, queries.t]


def winners(votes: np.ndarray) -> np.ndarray:
    """Return the place with the most votes in each row; the first seen of those equal but for rounding."""
    return np.round(votes / votes.max(axis=1, keepdims=True), 9).argmax(axis=1)


def _day_kind(d: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return weekday + 7 for off-days, weekday for others."""
    return d.astype(np.int64) % WEEK + WEEK * calendar.is_off(d)


def proximity(places: Places) -> np.ndarray:
    """Return exp(-0.5 * distance in cells) between all places: GEO-BLEU's proximity."""
    return np.exp(-0.5 * np.hypot(places.x[:, None] - places.x, places.y[:, None] - places.y))
