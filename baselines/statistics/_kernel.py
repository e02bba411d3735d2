"""Kernel votes: every history point votes for its place, the more the closer it is in slot, day and date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from baselines.statistics._votes import Places
from bench.adapters.origin import constants_tuned
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import HALF_HOURS, Calendar, Grid

WEEK = 7
GAPS = (1, 2, 4, 8, 16)  # borders between classes of gaps, in half-hours
TUNED = constants_tuned("the kernel's widths and factors")
FAR = 1e-9  # least slot weight: points of other hours decide where the hour has none


@dataclass(frozen=True)
class Kernel:
    """Weight of a history point for a query.

    exp(-(distance in half-hours)^2 / 2 slot_width^2), times ``weekday`` on the same day of the week, times ``day_type``
    if both are off-days or both are not, times exp(-age in days / tau), times exp(-gap x classes by which their gaps to
    the points before and after differ).
    """

    slot_width: float
    weekday: float
    day_type: float
    tau: float
    gap: float = 0.0


class Votes:
    """One user's history, ready to vote with any kernels. Sums run in one thread and one order: the same everywhere."""

    def __init__(self, history: Trajectories, places: Places, calendar: Calendar, slots: int) -> None:
        self._calendar, self._slots, self._count = calendar, slots, len(places)
        elapsed = calendar.elapsed(history.d)
        self._age = (elapsed.max() - elapsed).astype(np.float64)
        gap = gap_class(history, slots, calendar)
        self._rows = (history.t.astype(np.int64), day_kind(history.d, calendar), gap, places.row)

    def __call__(self, queries: Queries, kernel: Kernel) -> np.ndarray:
        """Return the votes for each place, shape (queries, places), each row up to a factor of its own."""
        return self.all(queries, (kernel,))[:, :, 0]

    def all(self, queries: Queries, kernels: Sequence[Kernel], room: int = 0) -> np.ndarray:
        """Return the votes of several kernels, shape (queries, places, kernels + room): room is left at zero."""
        near, alike, gap = _tables(tuple(kernels), self._slots)
        weight = np.stack([np.exp(-self._age / kernel.tau) for kernel in kernels], axis=1)
        gaps_asked = gap_class(queries, self._slots, self._calendar)
        asked = (queries.t.astype(np.int64), day_kind(queries.d, self._calendar), gaps_asked)
        votes = np.zeros((len(queries), self._count, len(kernels) + room))
        _vote(len(kernels))(*asked, *self._rows, near, alike, weight, gap, votes)
        return votes


@cache
def _tables(kernels: tuple[Kernel, ...], slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights by slot distance, by both kinds of day and by how far gaps are apart; kernels come last."""
    slot, kind, apart = np.arange(slots) * (HALF_HOURS / slots), np.arange(2 * WEEK), np.arange(2 * len(GAPS) + 1)
    near = [np.maximum(np.exp(-(slot**2) / (2 * kernel.slot_width**2)), FAR) for kernel in kernels]
    alike = [np.where(kind[:, None] % WEEK == kind % WEEK, kernel.weekday, 1.0) for kernel in kernels]
    for table, kernel in zip(alike, kernels, strict=True):
        table *= np.where(kind[:, None] // WEEK == kind // WEEK, kernel.day_type, 1.0)
    gap = [np.exp(-kernel.gap * apart) for kernel in kernels]
    return np.stack(near, axis=-1), np.stack(alike, axis=-1), np.stack(gap, axis=-1)


def gaps(rows: Queries, slots: int, calendar: Calendar) -> np.ndarray:
    """Return the slots since the row before and to the row after, a day at most and at both ends: int64 (2, rows)."""
    time = calendar.elapsed(rows.d) * slots + rows.t
    out = np.full((2, len(time)), slots, np.int64)
    out[0, 1:] = out[1, :-1] = np.minimum(time[1:] - time[:-1], slots)
    return out


def gap_class(rows: Queries, slots: int, calendar: Calendar) -> np.ndarray:
    """Return the class of both gaps of each row, int64 (rows, 2): in half-hours up to 1, 2, 4, 8, 16, and more."""
    return np.searchsorted(GAPS, gaps(rows, slots, calendar).T * (HALF_HOURS / slots) - 1e-9)


def smoothed(votes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return votes @ near: each vote counts for the places around it as well."""
    out = np.zeros_like(votes)
    compiled(_smooth)(votes, near, out)
    return out


def smoothed_at(chosen: np.ndarray, votes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the entries of :func:`smoothed` at the chosen places of each query, shape (queries, k)."""
    out = np.empty(chosen.shape)
    compiled(_smooth_at)(chosen, votes, near, out)
    return out


@cache
def compiled(function: Callable[..., None]) -> Any:
    """Compile a loop on first use."""
    from numba import njit

    return njit(cache=True, nogil=True)(function)


@cache
def _vote(kernels: int) -> Any:
    """Compile the vote for so many kernels: their number is known to the compiler, which is twice as fast."""
    from numba import njit

    @njit(cache=True, nogil=True)
    def vote(asked_slot, asked_kind, asked_gap, slot, kind, gaps, place, near, alike, weight, gap, votes):  # type: ignore[no-untyped-def]
        for q in range(len(asked_slot)):
            for r in range(len(slot)):
                t = np.uint64(abs(asked_slot[q] - slot[r]))
                g = np.uint64(abs(asked_gap[q, 0] - gaps[r, 0]) + abs(asked_gap[q, 1] - gaps[r, 1]))
                like, p = np.uint64(kind[r]), np.uint64(place[r])
                for k in range(kernels):
                    votes[q, p, k] += near[t, k] * alike[asked_kind[q], like, k] * weight[np.uint64(r), k] * gap[g, k]

    return vote


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


def most_voted(votes: np.ndarray, near: np.ndarray, most: int) -> np.ndarray:
    """Return for each query the places with the most smoothed votes, best first: (queries, places) -> (queries, k)."""
    return np.argsort(-np.round(smoothed(votes, near), 9), axis=1, kind="stable")[:, :most]


def day_kind(d: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return weekday + 7 for off-days, weekday for others."""
    return calendar.weekday(d) + WEEK * off_days(d, calendar)


def off_days(d: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return what ``calendar.is_off`` says of each day, looked up in a table: it is asked many times a user."""
    return _off_table(calendar, 1 << int(d.max(initial=0)).bit_length())[d]


@cache
def _off_table(calendar: Calendar, days: int) -> np.ndarray:
    return calendar.is_off(np.arange(days))


def proximity(places: Places, grid: Grid) -> np.ndarray:
    """Return exp(-distance in km) between all places: GEO-BLEU's proximity, exp(-0.5 * cells) on cells of 500 m."""
    return np.exp(-grid.cell_km * np.hypot(places.x[:, None] - places.x, places.y[:, None] - places.y))
