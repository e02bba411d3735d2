"""Votes and transitions of expected_day, written down as their definitions say: slow, for comparison."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from baselines.expected_day.choices import OCCUPANCY, VOTES
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar

BORDERS = (1, 2, 4, 8, 16)


def gap_classes(rows: Queries) -> np.ndarray:
    """Return the class of the gap before and after each row, at 48 slots a day."""
    time = rows.d.astype(int) * 48 + rows.t
    step = [48, *np.minimum(np.diff(time), 48), 48]
    return np.array([[sum(gap > border for border in BORDERS) for gap in pair] for pair in pairwise(step)])


def votes(history: Trajectories, queries: Queries, place: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return votes of all kinds (queries, places, kinds), at 48 slots a day."""
    out = np.zeros((len(queries), place.max() + 1, len(VOTES) + OCCUPANCY))
    off, asked_off = calendar.is_off(history.d), calendar.is_off(queries.d)
    gap, asked_gap = gap_classes(history), gap_classes(queries)
    last = int(history.d.max())
    for q in range(len(queries)):
        d, t = int(queries.d[q]), int(queries.t[q])
        for r in range(len(history)):
            for k, kernel in enumerate(VOTES):
                weight = max(np.exp(-((t - int(history.t[r])) ** 2) / (2 * kernel.slot_width**2)), 1e-9)
                weight *= kernel.weekday if d % 7 == history.d[r] % 7 else 1.0
                weight *= kernel.day_type if asked_off[q] == off[r] else 1.0
                weight *= np.exp(-(last - int(history.d[r])) / kernel.tau)
                weight *= np.exp(-kernel.gap * np.abs(asked_gap[q] - gap[r]).sum())
                out[q, place[r], k] += weight
        for day in np.unique(history.d):
            rows = np.flatnonzero(history.d == day)
            weight = 1.0 if asked_off[q] == off[rows[0]] else 0.1
            weight *= (2.0 if day % 7 == d % 7 else 1.0) * np.exp(-(last - int(day)) / 30)
            before = [r for r in rows if history.t[r] <= t][-1:]
            after = [r for r in rows if history.t[r] >= t][:1]
            fades = [np.exp(-0.5 * abs(int(history.t[r]) - t)) for r in before + after]
            for r, fade in zip(before + after, fades, strict=True):
                out[q, place[r], len(VOTES)] += weight * fade
                out[q, place[r], len(VOTES) + 2] += weight * fade / sum(fades)
            if before and after and place[before[0]] == place[after[0]]:
                out[q, place[before[0]], len(VOTES) + 1] += weight
    return out


def pairs_of_the_hour(history: Trajectories, place: np.ndarray, d: int, t: int, calendar: Calendar) -> np.ndarray:
    """Return the weight of the history's pairs (first place, second place) about slot t of day d, without a floor."""
    out = np.zeros((place.max() + 1, place.max() + 1))
    time = history.d.astype(int) * 48 + history.t
    for r in range(1, len(history)):
        apart = abs(int(history.t[r]) - t)
        if time[r] - time[r - 1] <= 8 and apart <= 8:
            weight = np.exp(-(apart**2) / 8.0) * np.exp(-(int(history.d.max()) - int(history.d[r])) / 40)
            alike = calendar.is_off([d])[0] == calendar.is_off(history.d[r : r + 1])[0]
            out[place[r - 1], place[r]] += weight * (1.0 if alike else 1 / 3)
    return out
