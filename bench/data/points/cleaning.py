"""Drop fixes that cannot be: off the earth, out of time, twice, or too fast to be true. Each is counted once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from bench.data.points.fixes import Fixes, Ledger
from bench.data.points.settings import Settings
from bench.errors import UserError

OFF_EARTH = "a latitude beyond 90 or a longitude beyond 180 degrees"
NULL_ISLAND = "longitude 0 and latitude 0: a receiver without a position"
OUT_OF_TIME = "a time before {} or after {}"
REPEATED = "the same user, time and place once more"
TWO_PLACES = "the same user and time at another place"
JUMP = "a jump: faster than {:g} km/h there and back"
UNSORTED = "fixes that stand before an earlier one of their user in the file"
FAR = "fixes a year or more from nearly all others of their user, as of a clock that jumped; see earliest, latest"
DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
METRES_A_DEGREE = 111_195.0
ZONE_OFF_DEGREES = 60.0  # no country's clock is so far from its longitude


def drop_impossible(fixes: Fixes, metric: bool, settings: Settings, ledger: Ledger) -> Fixes:
    """Drop fixes off the earth and out of time. Raises UserError if columns seem to be swapped, or nothing is left."""
    if not metric:
        fixes = _on_earth(fixes, ledger)
    latest = settings.latest or (datetime.now(UTC).date() + timedelta(days=1))
    low, high = _day(settings.earliest) * DAY_MS, (_day(latest) + 1) * DAY_MS
    reason = OUT_OF_TIME.format(settings.earliest, latest)
    fixes = ledger.keep(reason, fixes, (fixes.ms >= low) & (fixes.ms < high))
    if not len(fixes):
        raise UserError(f"no fix is left: {told(ledger)}")
    return fixes


def _on_earth(fixes: Fixes, ledger: Ledger) -> Fixes:
    beyond = np.abs(fixes.lat) > 90
    swapped = beyond & (np.abs(fixes.lon) <= 90) & (np.abs(fixes.lat) <= 180)
    if np.count_nonzero(swapped) > len(fixes) / 2:
        raise UserError(
            f"{np.count_nonzero(swapped)} of {len(fixes)} latitudes are beyond 90 degrees, their longitudes not: "
            "the columns seem swapped; name them with --set lon=COLUMN --set lat=COLUMN"
        )
    fixes = ledger.keep(OFF_EARTH, fixes, ~beyond & (np.abs(fixes.lon) <= 180))
    return ledger.keep(NULL_ISLAND, fixes, (fixes.lon != 0) | (fixes.lat != 0))


def check_zone(fixes: Fixes, timezone: str) -> None:
    """Refuse a time zone that lies elsewhere than the fixes: a wrong zone, or swapped columns. Raises UserError."""
    import pandas as pd

    some = slice(None, None, max(1, len(fixes) // 10_000))
    when = pd.Timestamp(int(np.median(fixes.ms[some])), unit="ms", tz="UTC").tz_convert(timezone)
    offset = when.utcoffset()
    middle = 15.0 * (offset.total_seconds() / 3600 if offset else 0.0)
    lon, lat = float(np.median(fixes.lon[some])), float(np.median(fixes.lat[some]))
    if timezone == "UTC" or _apart(lon, middle) <= ZONE_OFF_DEGREES:
        return
    hint = "; the columns seem swapped" if _apart(lat, middle) <= ZONE_OFF_DEGREES / 2 else ""
    raise UserError(
        f"longitudes lie about {lon:.0f} and latitudes about {lat:.0f} degrees, far from the time zone {timezone}"
        f"{hint}; name the zone or the columns"
    )


def _apart(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


def in_time_order(fixes: Fixes, ledger: Ledger) -> Fixes:
    """Return the fixes by user and time, each time once: of several places at one time the first in the file stays."""
    same = fixes.user[1:] == fixes.user[:-1]
    back = int(np.count_nonzero(same & (fixes.ms[1:] < fixes.ms[:-1])))
    if back:
        ledger.noted[UNSORTED] = back
    if back or np.any(fixes.user[1:] < fixes.user[:-1]):
        fixes = fixes.take(_order(fixes))
    again = np.zeros(len(fixes), bool)
    again[1:] = (fixes.user[1:] == fixes.user[:-1]) & (fixes.ms[1:] == fixes.ms[:-1])
    if not again.any():
        return fixes
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(fixes))))
    alike = (fixes.lon == fixes.lon[first]) & (fixes.lat == fixes.lat[first])
    ledger.drop(REPEATED, int(np.count_nonzero(again & alike)))
    ledger.drop(TWO_PLACES, int(np.count_nonzero(again & ~alike)))
    return fixes.take(~again)


def note_jumped_clocks(fixes: Fixes, ledger: Ledger) -> None:
    """Note fixes, in order, that a gap of a year parts from 99 in 100 of their user's. They stay: they may be true."""
    same = fixes.user[1:] == fixes.user[:-1]
    begins = np.append(True, ~same | (fixes.ms[1:] - fixes.ms[:-1] >= YEAR_MS))
    first = np.flatnonzero(begins)
    sizes, whole = np.diff(np.append(first, len(fixes))), np.bincount(fixes.user)[fixes.user[first]]
    far = int(sizes[(sizes < whole) & (sizes <= np.maximum(1, whole // 100))].sum())
    if far:
        ledger.noted[FAR] = far


def _order(fixes: Fixes) -> np.ndarray:
    """Return the stable order by user and time."""
    since = fixes.ms - int(fixes.ms.min())
    bits = int(since.max()).bit_length()
    if bits + len(fixes.names).bit_length() > 62:
        return np.lexsort((fixes.ms, fixes.user))
    return np.argsort((fixes.user.astype(np.int64) << bits) | since, kind="stable")


def drop_jumps(fixes: Fixes, metric: bool, settings: Settings, ledger: Ledger) -> Fixes:
    """Drop fixes that need more than the allowed speed both to be reached and to be left: a jump and back."""
    if settings.max_kmh is None or len(fixes) < 3:
        return fixes
    metres = (_metres if metric else _metres_on_earth)(fixes)
    hours = (fixes.ms[1:] - fixes.ms[:-1]) / 3.6e6
    fast = (metres > 1000.0 * settings.max_kmh * hours) & (fixes.user[1:] == fixes.user[:-1])
    jump = np.zeros(len(fixes), bool)
    jump[1:-1] = fast[:-1] & fast[1:]
    jump[1:] &= ~jump[:-1]  # of two in a row the first: it left the track
    return ledger.keep(JUMP.format(settings.max_kmh), fixes, ~jump)


def _metres(fixes: Fixes) -> np.ndarray:
    return np.hypot(np.diff(fixes.lon), np.diff(fixes.lat))


def _metres_on_earth(fixes: Fixes) -> np.ndarray:
    """Distance to the fix before, on a sphere that is flat between the two: exact enough to tell a jump."""
    east = np.abs(np.diff(fixes.lon))
    east = np.minimum(east, 360 - east) * np.cos(np.radians(fixes.lat[1:]))
    return METRES_A_DEGREE * np.hypot(east, np.diff(fixes.lat))


def _day(when: date) -> int:
    return (when - date(1970, 1, 1)).days


def told(ledger: Ledger) -> str:
    """Say in one line what was dropped."""
    return "; ".join(f"{count:,} for {reason}" for reason, count in ledger.dropped.items()) or "the file holds none"
