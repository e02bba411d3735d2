"""Days of a city: which date is day 0, windows that are cut out of long records, and users with too little in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from bench.data.files.rows import LAST_DAY
from bench.data.points.fixes import Ledger
from bench.data.points.settings import Settings
from bench.data.points.slots import Slots, weekday
from bench.data.world import WEEKDAYS
from bench.errors import UserError

BEFORE = "a slot before day 0"
OUTSIDE = "a slot outside the window of days"
FEW = "a slot of a user with fewer than {} slots or {} days"
EPOCH = date(1970, 1, 1)
MOST_WINDOWS = 1000  # of one user: uid = 1000 * user + window


@dataclass(frozen=True, eq=False)
class Cut:
    """Rows with days from 0. uid: int64 of each row; first: the date of day 0, None where users have their own."""

    rows: Slots
    uid: np.ndarray
    first: date | None


def cut_days(rows: Slots, uids: np.ndarray, settings: Settings, ledger: Ledger) -> Cut:
    """Give rows their days and uids. uids: of each user, by code. Raises UserError if nothing is left."""
    cut = _shared(rows, uids, settings, ledger) if settings.windows == "shared" else _own(rows, uids, settings, ledger)
    cut = _active(cut, settings, ledger)
    if not len(cut.rows):
        raise UserError(
            f"no user is left with {settings.min_rows} slots on {settings.min_days} days; see min_rows, min_days"
        )
    if int(cut.rows.day.max()) > LAST_DAY:
        raise UserError(f"the record spans {int(cut.rows.day.max()):,} days; cut it, e.g. --set window_days=75")
    return cut


def _shared(rows: Slots, uids: np.ndarray, settings: Settings, ledger: Ledger) -> Cut:
    """One calendar for all: from first_day on, or from the week of the earliest (at a fixed length: busiest) window."""
    if settings.first_day is not None:
        start = (settings.first_day - EPOCH).days
    elif settings.window_days is None:
        start = int(_week(rows.day.min(), settings))
    else:
        start = _busiest(np.sort(rows.day), np.unique(_week(rows.day, settings)), settings.window_days)
    rows, uid = _dropped(rows, uids[rows.user], rows.day >= start, BEFORE, ledger)
    if settings.window_days is not None:
        rows, uid = _dropped(rows, uid, rows.day < start + settings.window_days, OUTSIDE, ledger)
    return Cut(_from(rows, start), uid, EPOCH + timedelta(days=start))


def _own(rows: Slots, uids: np.ndarray, settings: Settings, ledger: Ledger) -> Cut:
    """Each user's busiest window, or all of them one after the other; each begins on the first weekday."""
    length = settings.window_days or 0
    week = _week(rows.day, settings)
    if settings.windows == "busiest":
        start = _busiest_of_each(rows, week, length)[rows.user]
        number = np.zeros(len(rows), np.int64)
    else:
        first = np.full(len(uids), np.iinfo(np.int64).max)
        np.minimum.at(first, rows.user, week)
        stride = -(-length // 7) * 7
        number = (rows.day - first[rows.user]) // stride
        start = first[rows.user] + number * stride
        if len(number) and number.max() >= MOST_WINDOWS:
            raise UserError(f"a user has more than {MOST_WINDOWS} windows of {length} days; longer ones are needed")
    uid = uids[rows.user] * (MOST_WINDOWS if settings.windows == "all" else 1) + number
    inside = (rows.day >= start) & (rows.day < start + length)
    ledger.drop(OUTSIDE, int(np.count_nonzero(~inside)))
    rows, uid, start = rows.take(inside), uid[inside], start[inside]
    return Cut(_from(rows, start), uid, None)


def _week(day: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the last day at or before each day that has the weekday of day 0."""
    return day - (weekday(day) - WEEKDAYS.index(settings.weekday)) % 7


def _busiest(days: np.ndarray, starts: np.ndarray, length: int) -> int:
    held = np.searchsorted(days, starts + length) - np.searchsorted(days, starts)
    return int(starts[int(np.argmax(held))])


def _busiest_of_each(rows: Slots, week: np.ndarray, length: int) -> np.ndarray:
    """Return each user's first day of the window with most slots, by code; of equal ones the first."""
    low, bits = int(week.min()), 20
    keys = (rows.user.astype(np.int64) << bits) + (rows.day - low)
    starts = np.unique((rows.user.astype(np.int64) << bits) + (week - low))
    held = np.searchsorted(keys, starts + length) - np.searchsorted(keys, starts)
    order = np.lexsort((starts, -held, starts >> bits))
    best = order[np.append(True, np.diff(starts[order] >> bits) > 0)]
    chosen = np.zeros(int(rows.user.max()) + 1, np.int64)
    chosen[starts[best] >> bits] = (starts[best] & ((1 << bits) - 1)) + low
    return chosen


def _active(cut: Cut, settings: Settings, ledger: Ledger) -> Cut:
    """Drop users with too few slots or days."""
    _, user, slots = np.unique(cut.uid, return_inverse=True, return_counts=True)
    days = np.bincount(np.unique((user.astype(np.int64) << 32) + cut.rows.day) >> 32, minlength=len(slots))
    good = (slots >= settings.min_rows) & (days >= settings.min_days)
    ledger.noted["users dropped for too little activity"] = int(np.count_nonzero(~good))
    keep = good[user] if len(slots) else np.zeros(0, bool)
    rows, uid = _dropped(cut.rows, cut.uid, keep, FEW.format(settings.min_rows, settings.min_days), ledger)
    return Cut(rows, uid, cut.first)


def _dropped(rows: Slots, uid: np.ndarray, keep: np.ndarray, reason: str, ledger: Ledger) -> tuple[Slots, np.ndarray]:
    ledger.drop(reason, int(np.count_nonzero(~keep)))
    return (rows, uid) if keep.all() else (rows.take(keep), uid[keep])


def _from(rows: Slots, start: np.ndarray | int) -> Slots:
    return Slots(rows.user, rows.day - start, rows.slot, rows.x, rows.y)
