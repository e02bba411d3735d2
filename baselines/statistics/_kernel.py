"""Kernel votes: every history point votes for its place, the more the closer it is in slot, day and date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from baselines.statistics._votes import Places
from bench.adapters.origin import constants_tuned
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar

WEEK = 7
TUNED = constants_tuned("the kernel's widths and factors")
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
    """One user's history, ready to vote with any kernel. Sums run in one thread and one order: the same everywhere."""

    def __init__(self, history: Trajectories, places: Places, calendar: Calendar, slots: int) -> None:
        self._calendar, self._slots, self._count = calendar, slots, len(places)
        self._age = (history.d.max() - history.d).astype(np.float64)
        self._rows = (history.t.astype(np.int64), _day_kind(history.d, calendar), places.row)

    def __call__(self, queries: Queries, kernel: Kernel) -> np.ndarray:
        """Return the votes for each place, shape (queries, places), each row up to a factor of its own."""
        slot, kind = np.arange(self._slots), np.arange(2 * WEEK)
        near = np.maximum(np.exp(-((slot[:, None] - slot) ** 2) / (2 * kernel.slot_width**2)), FAR)
        alike = np.where(kind[:, None] % WEEK == kind % WEEK, kernel.weekday, 1.0)
        alike *= np.where(kind[:, None] // WEEK == kind // WEEK, kernel.day_type, 1.0)
        asked = (queries.t.astype(np.int64), _day_kind(queries.d, self._calendar))
        votes = np.zeros((len(queries), self._count))
        _compiled(_vote)(*asked, *self._rows, np.exp(-self._age / kernel.tau), near, alike, votes)
        return votes


def smoothed(votes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return votes @ near: each vote counts for the places around it as well."""
    out = np.zeros_like(votes)
    _compiled(_smooth)(votes, near, out)
    return out


def smoothed_at(chosen: np.ndarray, votes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the entries of :func:`smoothed` at the chosen places of each query, shape (queries, k)."""
    out = np.empty(chosen.shape)
    _compiled(_smooth_at)(chosen, votes, near, out)
    return out


@cache
def _compiled(function: Callable[..., None]) -> Any:
    """Compile a loop on first use."""
    from numba import njit

    return njit(cache=True, nogil=True)(function)


def _vote(
    asked_slot: np.ndarray,
    asked_kind: np.ndarray,
    slot: np.ndarray,
    kind: np.ndarray,
    place: np.ndarray,
    weight: np.ndarray,
    near: np.ndarray,
    alike: np.ndarray,
    votes: np.ndarray,
) -> None:
    for q in range(len(asked_slot)):
        for r in range(len(slot)):
            votes[q, place[r]] += near[asked_slot[q], slot[r]] * alike[asked_kind[q], kind[r]] * weight[r]


def _smooth(votes: np.ndarray, near: np.ndarray, out: np.ndarray) -> None:
    for q in range(votes.shape[0]):
        for p in range(votes.shape[1]):
            for other in range(votes.shape[1]):
                out[q, other] += votes[q, p] * near[p, other]


def _smooth_at(chosen: np.ndarray, votes: np.ndarray, near: np.ndarray, out: np.ndarray) -> None:
    for q in range(chosen.shape[0]):
        for i in range(chosen.shape[1]):
            total = 0.0
            for p in range(votes.shape[1]):
                total += votes[q, p] * near[chosen[q, i], p]
            out[q, i] = total


def winners(votes: np.ndarray) -> np.ndarray:
    """Return the place with the most votes in each row; the first seen of those equal but for rounding."""
    return np.round(votes / votes.max(axis=1, keepdims=True), 9).argmax(axis=1)


def _day_kind(d: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return weekday + 7 for off-days, weekday for others."""
    return d.astype(np.int64) % WEEK + WEEK * calendar.is_off(d)


def proximity(places: Places) -> np.ndarray:
    """Return exp(-0.5 * distance in cells) between all places: GEO-BLEU's proximity."""
    return np.exp(-0.5 * np.hypot(places.x[:, None] - places.x, places.y[:, None] - places.y))
