"""Off-days found from the crowd: on them fewer people are where they spend their working hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.data.trajectories import Trajectories
from bench.data.world import Calendar

WORKING, NIGHT = (3 / 8, 3 / 4), (7 / 24, 21 / 24)  # from 9 to 18 h; before 7 h and after 21 h
LEAST_GAP = 0.2  # between the two kinds' shares, relative to the larger: below it all days are alike


def learned_calendar(rows: Trajectories, slots: int, calendar: Calendar, last_day: int) -> Calendar:
    """Return ``calendar`` with other off-days: those up to ``last_day`` that the days of the people in ``rows`` show.

    Weekdays are parted in two kinds by the share of people at work; a single day changes its kind, as a holiday does,
    where its own share lies beyond the middle by more than its standard error. A day that nobody is seen on is judged
    by its weekday, which knows the calendar's breaks.
    """
    share, error = _at_work(rows, slots, last_day + 1)
    days = np.arange(last_day + 1)
    known, kind = ~np.isnan(share), calendar.weekday(days)
    weekday = np.full(7, np.nan)
    for i in np.unique(kind[known]):
        weekday[i] = np.median(share[known & (kind == i)])  # not the mean: holidays are often Mondays
    middle = _middle(weekday[~np.isnan(weekday)])
    side = np.sign(middle - np.where(known & (np.abs(share - middle) > error), share, weekday[kind]))
    return replace(calendar, weekend=frozenset(), holidays=frozenset(days[side > 0].tolist()))


def _at_work(train: Trajectories, slots: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of working-hour points at the user's main daytime place: per day, mean over users and its error.

    Days without points are NaN.
    """
    shares = np.full((len(train.users), days), np.nan)
    for i, user in enumerate(train.users):
        rows = train.of(user)
        place, time = _places(rows), rows.t / slots
        working = (time >= WORKING[0]) & (time < WORKING[1])
        night = (time < NIGHT[0]) | (time >= NIGHT[1])
        home = np.bincount(place[night], minlength=1).argmax()
        visits = np.bincount(place[working & (place != home)], minlength=1)
        if visits.any():
            points = np.bincount(rows.d[working], minlength=days)[:days]
            there = np.bincount(rows.d[working & (place == visits.argmax())], minlength=days)[:days]
            np.divide(there, points, out=shares[i], where=points > 0)
    users = (~np.isnan(shares)).sum(axis=0)
    mean = np.divide(np.nansum(shares, axis=0), users, out=np.full(days, np.nan), where=users > 0)
    spread = np.nansum((shares - mean) ** 2, axis=0) / np.maximum(users - 1, 1)
    return mean, np.sqrt(spread / np.maximum(users, 1))


def _places(rows: Trajectories) -> np.ndarray:
    """Return the number of each row's cell, in the order of first sight."""
    cell = rows.x.astype(np.int64) << 32 | rows.y.astype(np.int64)
    _, first, row = np.unique(cell, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[row]


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
