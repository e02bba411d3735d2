"""From files of raw points to a city: rows, its description and a report of what was dropped and why."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.cityfile import CityFile, beside, write_cityfile
from bench.data.convert import write_points
from bench.data.points.cleaning import (
    check_zone,
    drop_impossible,
    drop_jumps,
    in_time_order,
    note_jumped_clocks,
    told,
)
from bench.data.points.fixes import Fixes, Ledger
from bench.data.points.frame import DEGREES, Frame, choose_crs, choose_frame, frame_of, transform
from bench.data.points.layouts import get_layout
from bench.data.points.reading import Read, read_source
from bench.data.points.settings import Settings, read_options
from bench.data.points.slots import Slots, fill_gaps, one_a_slot
from bench.data.points.windows import MOST_WINDOWS, Cut, cut_days
from bench.data.trajectories import Trajectories
from bench.errors import UserError
from bench.files import write_text

OUTSIDE = "a point outside the extent"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Converted:
    """A city made of raw points. report: plain values, see :func:`_report`."""

    table: Trajectories
    city: CityFile
    report: dict[str, Any]


def convert_points(
    source: Path,
    name: str,
    layout: str,
    options: Mapping[str, Any],
    progress: Progress = lambda _: None,
    where: str = "",
) -> Converted:
    """Convert a file, or a folder of files, to the city ``name``. options: see Settings; they come before the layout's.

    progress: told each stage. Raises UserError: for options (each under ``where``), unreadable files, and if nothing is
    left.
    """
    begun = time.perf_counter()
    chosen = get_layout(layout)
    settings = read_options({**chosen.settings, **options}, where)
    ledger = Ledger()
    read = read_source(
        source, chosen, settings, ledger, lambda done, all_: progress(f"reading, {done} of {all_} files")
    )
    zone = _zone(read, settings)
    progress("cleaning")
    fixes = _clean(read, settings, ledger)
    progress("placing cells")
    fixes, x, y, frame = _cells(fixes, read.metric, settings, ledger)
    progress("choosing one cell a slot")
    rows = one_a_slot(fixes, x, y, zone, settings, ledger)
    before = len(rows)
    rows = fill_gaps(rows, settings)
    filled = len(rows) - before
    ledger.came += filled  # they are counted as the other rows from here on
    cut = cut_days(rows, _uids(fixes.names, settings), settings, ledger)
    ledger.came -= filled
    table = _table(cut, name)
    city = _describe(frame, cut, settings)
    seconds = time.perf_counter() - begun
    return Converted(table, city, _report(source, layout, settings, read, ledger, filled, table, cut.first, seconds))


def write_city(target: Path, converted: Converted) -> tuple[Path, Path]:
    """Write rows, description and report beside one another; return the paths of the last two. Raises UserError."""
    described, report = beside(target), target.with_name(f"{target.name.partition('.')[0]}.report.json")
    try:
        write_points(target, converted.table)
        write_cityfile(described, converted.city)
        write_text(report, json.dumps(converted.report, indent=2, ensure_ascii=False, default=str) + "\n")
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror or error})") from None
    return described, report


def _zone(read: Read, settings: Settings) -> str | None:
    """Return the zone that makes times local, None if they are local already. Raises UserError if none is known."""
    if read.local or read.fixes.offset is not None:
        return None
    if settings.timezone is None:
        raise UserError(
            "local time decides slots and days: say --set timezone=Area/City, or --set time_is=local if the times are"
        )
    return settings.timezone


def _clean(read: Read, settings: Settings, ledger: Ledger) -> Fixes:
    fixes = drop_impossible(read.fixes, read.metric, settings, ledger)
    if settings.timezone and not read.metric and read.fixes.offset is None:
        check_zone(fixes, settings.timezone)
    fixes = in_time_order(fixes, ledger)
    note_jumped_clocks(fixes, ledger)
    return drop_jumps(fixes, read.metric, settings, ledger)


def _cells(
    fixes: Fixes, metric: bool, settings: Settings, ledger: Ledger
) -> tuple[Fixes, np.ndarray, np.ndarray, Frame]:
    """Project the fixes, place the grid, and drop what lies outside."""
    frame = frame_of(Path(settings.grid_of)) if settings.grid_of else None
    if frame and (frame.crs is None) != metric:
        raise UserError(
            f"{settings.grid_of}: its grid is of {'degrees' if frame.crs else 'metres'}, the points are not"
        )
    crs = None if metric else frame.crs if frame else choose_crs(settings, fixes.lon, fixes.lat)
    east, north = (fixes.lon, fixes.lat) if crs is None else transform(DEGREES, crs, fixes.lon, fixes.lat)
    frame = frame or choose_frame(settings, crs, east, north)
    x, y, inside = frame.cells(east, north)
    if not inside.any():
        raise UserError(f"none of {len(fixes):,} points lies in the extent; see extent, grid_of and the columns' order")
    if inside.all():
        return fixes, x, y, frame
    return ledger.keep(OUTSIDE, fixes, inside), x[inside], y[inside], frame


def _uids(names: tuple[str, ...], settings: Settings) -> np.ndarray:
    """Return each user's uid: the name where all names are small numbers, else the place among the sorted names."""
    if settings.windows != "all" and all(name.isascii() and name.isdigit() and len(name) < 10 for name in names):
        numbers = np.array([int(name) for name in names], np.int64)
        if len(np.unique(numbers)) == len(numbers):
            return numbers
    return np.arange(len(names), dtype=np.int64)


def _table(cut: Cut, name: str) -> Trajectories:
    rows: Slots = cut.rows
    return Trajectories.build(
        (name,), city=np.zeros(len(rows), np.int8), uid=cut.uid, d=rows.day, t=rows.slot, x=rows.x, y=rows.y
    )


def _describe(frame: Frame, cut: Cut, settings: Settings) -> CityFile:
    first = cut.first
    off = sorted((day - first).days for day in settings.off_days if day >= first) if first else []
    return CityFile(
        width=frame.width,
        height=frame.height,
        cell_km=frame.cell_m / 1000,
        slots_per_day=settings.slots,
        first_weekday=settings.weekday,
        weekend=settings.weekend,
        off_days=tuple(off),
        uids_a_user=MOST_WINDOWS if settings.windows == "all" else 1,
        frame=frame.place(),
    )


def _report(
    source: Path,
    layout: str,
    settings: Settings,
    read: Read,
    ledger: Ledger,
    filled: int,
    table: Trajectories,
    first: date | None,
    seconds: float,
) -> dict[str, Any]:
    """What came in, what was dropped and why, what came out: rows out = rows in - dropped + filled."""
    if ledger.left + filled != len(table):
        raise RuntimeError(f"{ledger.left} + {filled} rows are counted, {len(table)} are there: {told(ledger)}")
    return {
        "source": source.name,
        "layout": layout,
        "columns": read.columns,
        "settings": settings.model_dump(mode="json", exclude_unset=True),
        "rows in": ledger.came,
        "dropped": ledger.dropped,
        "noted": ledger.noted,
        "filled slots": filled,
        "rows out": len(table),
        "users in": len(read.fixes.names),
        "users out": len(table.users),
        "days": int(table.d.max()) + 1,
        "date of day 0": str(first) if first else None,
        "seconds": round(seconds, 3),
        "rows in a second": round(ledger.came / max(seconds, 1e-9)),
    }
