"""From fixes to one cell a timeslot: local time, the rule of a slot, gaps that count as a stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.data.points.fixes import Fixes, Ledger
from bench.data.points.settings import Settings

OTHER_FIX = "another fix stands for the slot (rule: {})"
MS_A_MINUTE = 60_000


@dataclass(frozen=True, eq=False)
class Slots:
    """One row a user and slot, sorted: user (int32), day since 1970 and slot of local time, cell x, y."""

    user: np.ndarray
    day: np.ndarray
    slot: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> Slots:
        """Return the chosen rows."""
        return Slots(self.user[rows], self.day[rows], self.slot[rows], self.x[rows], self.y[rows])


def local_minutes(fixes: Fixes, timezone: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return minutes since 1970 on the local clock, and milliseconds within the minute.

    timezone: None where the times are local already; a file's own offsets come first.
    """
    ms = fixes.ms
    if fixes.offset is not None:
        ms = ms + fixes.offset.astype(np.int64) * MS_A_MINUTE
    elif timezone is not None:
        ms = _to_local(ms, timezone)
    return ms // MS_A_MINUTE, ms


def _to_local(ms: np.ndarray, timezone: str) -> np.ndarray:
    """Return the local clock's milliseconds. Clocks change at quarters of an hour, so few times are asked for."""
    import pandas as pd

    quarter = ms // (15 * MS_A_MINUTE)
    low, high = int(quarter.min()), int(quarter.max())
    if high - low < 4 * len(ms) + 1000:
        asked, index = np.arange(low, high + 1), quarter - low
    else:
        asked, index = np.unique(quarter, return_inverse=True)
    utc = asked * (15 * MS_A_MINUTE)
    zoned = pd.DatetimeIndex(utc.astype("datetime64[ms]")).tz_localize("UTC").tz_convert(timezone)
    shift = zoned.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64) - utc
    return ms + shift[index]


def one_a_slot(
    fixes: Fixes, x: np.ndarray, y: np.ndarray, timezone: str | None, settings: Settings, ledger: Ledger
) -> Slots:
    """Return one cell for each user and slot with a fix; the other fixes are counted."""
    minute, local_ms = local_minutes(fixes, timezone)
    slot = minute // settings.slot_minutes  # of all time
    low = int(slot.min())
    span = int(slot.max()) - low + 1
    key = fixes.user.astype(np.int64) * span + (slot - low)
    if np.any(key[1:] < key[:-1]):  # a clock set back
        order = np.argsort(key, kind="stable")
        key, x, y, local_ms = key[order], x[order], y[order], local_ms[order]
        user = fixes.user[order]
    else:
        user = fixes.user
    last = np.append(key[1:] != key[:-1], True)
    chosen = np.flatnonzero(last)
    if settings.rule != "last":
        chosen = _heaviest(key, chosen, x, y, _weights(user, local_ms, settings))
    ledger.drop(OTHER_FIX.format(settings.rule), len(key) - len(chosen))
    number = key[chosen] % span + low
    return Slots(user[chosen], number // settings.slots, number % settings.slots, x[chosen], y[chosen])


def _weights(user: np.ndarray, ms: np.ndarray, settings: Settings) -> np.ndarray:
    """Return what each fix counts: 1, or the milliseconds until the user's next one or the slot's end."""
    if settings.rule == "majority":
        return np.ones(len(ms), np.int64)
    size = settings.slot_minutes * MS_A_MINUTE
    end = (ms // size + 1) * size
    following = np.append(np.where(user[1:] == user[:-1], ms[1:], end[:-1]), end[-1:])
    return np.clip(np.minimum(following, end) - ms, 0, None)


def _heaviest(key: np.ndarray, last: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return for each slot the last fix in its cell of most weight; of equal ones the cell seen later."""
    group = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    cell = (x.astype(np.int64) << 16) | y
    several = np.zeros(len(last), bool)
    several[group[1:][(group[1:] == group[:-1]) & (cell[1:] != cell[:-1])]] = True
    mixed = np.flatnonzero(several[group])
    if not len(mixed):
        return last
    order = mixed[np.argsort((group[mixed] << 32) | cell[mixed], kind="stable")]  # one key: faster than lexsort
    g, c = group[order], cell[order]
    end = np.flatnonzero(np.append((g[1:] != g[:-1]) | (c[1:] != c[:-1]), True))
    total = np.diff(np.append(0, np.cumsum(weight[order])[end]))
    run_group, run_last = g[end], order[end]
    best = np.lexsort((run_last, total, run_group))
    winner = best[np.append(run_group[best][1:] != run_group[best][:-1], True)]
    chosen = last.copy()
    chosen[run_group[winner]] = run_last[winner]
    return chosen


def fill_gaps(rows: Slots, settings: Settings) -> Slots:
    """Return the rows with those between that a short gap within one cell lacks."""
    longest = settings.fill_minutes // settings.slot_minutes
    if longest < 1 or len(rows) < 2:
        return rows
    number = rows.day * settings.slots + rows.slot
    gap = np.diff(number) - 1
    still = (rows.user[1:] == rows.user[:-1]) & (rows.x[1:] == rows.x[:-1]) & (rows.y[1:] == rows.y[:-1])
    added = np.where(still & (gap >= 1) & (gap <= longest), gap, 0)
    repeats = np.append(added + 1, 1)
    source = np.repeat(np.arange(len(rows)), repeats)
    step = np.arange(len(source)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    filled = number[source] + step
    return replace(rows.take(source), day=filled // settings.slots, slot=filled % settings.slots)


def weekday(day: np.ndarray | int) -> np.ndarray | int:
    """Return the weekday (Sunday = 0) of days since 1970, which began on a Thursday."""
    return (day + 4) % 7
