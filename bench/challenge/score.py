"""Score a file of predictions against a file with the truth: four metrics, or a clear refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from bench.data.cityfile import beside, read_cityfile
from bench.data.files.csvfiles import read_points
from bench.data.files.hints import LAST_OF_75, days_from_one
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid
from bench.errors import UserError
from bench.evaluation import bootstrap, metrics

Table = TypeVar("Table", bound=Queries)

_SPAN = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
_CITY = re.compile(r"city_?([A-Za-z0-9-]+?)(?=[._-]|$)")


def score_files(
    predictions: Path,
    truth: Path,
    days: str = "60-74",
    users: str | None = None,
    note: Callable[[str], None] = lambda hint: None,
) -> pd.DataFrame:
    """Return one row per user: city, uid, days, points and the four metrics.

    Both files hold uid,d,t,x,y. Only rows on ``days`` count (first and last, as the files count them). users: None for
    all in the truth, a range of uids, or "predicted" for those in the predictions. note: called with each hint, one
    line. Raises UserError unless both files hold the same points there.
    """
    first, last = span(days, "--days")
    for path in (predictions, truth):
        refuse_other_grids(path)
    given = read_points(predictions, city=_city(truth)).visible
    said = given.days(first, last)
    full = read_points(truth, city=_city(truth), masked=True)
    true = _choose(full.visible.days(first, last), said, users)
    hidden = _choose(full.masked.days(first, last), said, users)
    if len(hidden):
        where = _key(hidden, 0)
        raise UserError(f"{truth}: {len(hidden)} cells are masked (999), first {where}; give the file with the truth")
    if not len(true):
        seen = f"days {full.visible.d.min()}-{full.visible.d.max()}" if len(full.visible) else "no visible rows"
        chosen = f" and users {users}" if users else ""
        raise UserError(f"{truth}: holds no rows of days {days}{chosen}, but {seen}; choose the days with --days")
    if int(true.d.min()) > first and (full.visible.d == last + 1).any():
        raise UserError(
            f"{truth}: has no row of day {first}, but rows of day {last + 1}: its days seem to count from 1; "
            f"choose with --days {first + 1}-{last + 1}"
        )
    for hint in days_from_one(full.visible, str(truth)) if last < LAST_OF_75 else []:
        note(hint)
    same_keys(said, true, str(predictions), str(truth), given)
    if len(given) > len(said):
        note(f"{predictions}: {len(given) - len(said):,} rows outside days {days} are not scored")
    for hint in cells_one_over(said, true, str(predictions)):
        note(hint)
    return metrics.score_users(said.x, said.y, true)


def refuse_other_grids(path: Path) -> None:
    """Raise UserError if the file's description names other cells or slots than the challenges'."""
    described = beside(path)
    if described.exists():
        grid = read_cityfile(described).grid()
        if grid != Grid():
            raise UserError(f"{path}: has {grid}; the challenges' scores are defined only on {Grid()}")


def cells_one_over(said: Trajectories, true: Trajectories, name: str) -> list[str]:
    """Return a hint if far more predictions would be right with all cells one higher or lower.

    Both tables hold the same keys. Far more means by three standard deviations of such a count.
    """
    hits = {by: int(((said.x + by == true.x) & (said.y + by == true.y)).sum()) for by in (0, 1, -1)}
    by = max((1, -1), key=hits.__getitem__)
    if hits[by] - hits[0] <= 3 * np.sqrt(hits[by] + hits[0]):
        return []
    moved = "higher" if by == 1 else "lower"
    fault, do = ("count from 0", "add 1 to") if by == 1 else ("be one too high", "subtract 1 from")
    return [
        f"{name}: {hits[0]:,} of {len(said):,} cells are right; {hits[by]:,} would be if all were one {moved}. "
        f"They seem to {fault}: {do} x and y, then score again"
    ]


def span(text: str, option: str) -> tuple[int, int]:
    """Read "60-74" as (60, 74). Raises UserError."""
    match = _SPAN.fullmatch(text)
    if not match or int(match[1]) > int(match[2]):
        raise UserError(f"{option} {text}: is not a range; write first and last, e.g. 60-74")
    return int(match[1]), int(match[2])


def same_keys(said: Queries, true: Queries, said_name: str, true_name: str, given: Queries) -> None:
    """Raise UserError unless both tables (of one city) hold the same (uid, d, t); name the first odd rows.

    given: all that the file holds, of which ``said`` are the days to score.
    """
    keys, wanted = _keys(said), _keys(true)
    if np.array_equal(keys, wanted):
        return
    if hint := _shifted(_keys(given), wanted):
        raise UserError(f"{said_name}: {hint}")
    missing, extra = ~np.isin(wanted, keys), ~np.isin(keys, wanted)
    faults = []
    if missing.any():
        faults.append(f"{said_name}: lacks {_told(true, missing)} of {true_name}; predict every point of the truth")
    if extra.any():
        faults.append(f"{said_name}: has {_told(said, extra)} that the scored part of {true_name} lacks; remove them")
    if not len(said):
        faults.append(
            f"{said_name}: holds days {_days(given)}, but days {_days(true)} are scored; choose with --days FIRST-LAST"
        )
    if strange := sorted(set(true.uid.tolist()) - set(said.uid.tolist())):
        faults.append(
            f"{said_name}: {len(strange)} of the truth's {len(true.users)} users have no rows "
            f"({spans(strange)}); to score only some users, give --users predicted or --users FIRST-LAST"
        )
    raise UserError(*faults)


def summary(frame: pd.DataFrame) -> dict[str, dict[str, float | str | None]]:
    """Return for each metric its mean over users, 95 % bootstrap interval, median, unit and direction.

    A single user has no interval: low and high are None.
    """
    values = frame[list(metrics.MAIN)].to_numpy(float)
    low, high = bootstrap.interval(bootstrap.over_users(values, str(frame["city"].iloc[0])))
    return {
        name: {
            "mean": float(values[:, i].mean()),
            "low": float(low[i]) if len(frame) > 1 else None,
            "high": float(high[i]) if len(frame) > 1 else None,
            "median": float(np.median(values[:, i])),
            "unit": metrics.get(name).unit,
            "better": metrics.get(name).better,
        }
        for i, name in enumerate(metrics.MAIN)
    }


def spans(numbers: list[int], most: int = 5) -> str:
    """Write sorted numbers as ranges: ``3-5, 9, ...``."""
    values = np.asarray(numbers)
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    told = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:most]]
    return ", ".join(told) + (", ..." if len(runs) > most else "")


def _choose(table: Table, said: Trajectories, users: str | None) -> Table:
    """Return the rows of the users to score."""
    if users is None:
        return table
    if users == "predicted":
        return table.take(np.isin(table.uid, said.uid))
    first, last = span(users, "--users")
    return table.take((table.uid >= first) & (table.uid <= last))


def _keys(table: Queries) -> np.ndarray:
    """One int64 per row that sorts like (uid, d, t)."""
    return (table.uid.astype(np.int64) << 32) | (table.d.astype(np.int64) << 16) | table.t


def _shifted(keys: np.ndarray, wanted: np.ndarray) -> str | None:
    """Return a hint if the predictions would be complete with all days moved by one."""
    matches = np.isin(wanted, keys).mean()
    for shift, word in ((1, "higher"), (-1, "lower")):
        moved = np.isin(wanted, keys - (shift << 16)).mean()
        if moved > 0.99 and moved > matches:
            do = "subtract 1 from" if shift == 1 else "add 1 to"
            return f"all days are one {word} than the truth's: one counts from 0, the other from 1; {do} d"
    return None


def _told(table: Queries, rows: np.ndarray) -> str:
    """Say how many rows, and which is the first."""
    count = int(rows.sum())
    return f"{count} row{'s' if count > 1 else ''} (first: {_key(table, int(np.argmax(rows)))})"


def _days(table: Queries) -> str:
    return f"{table.d.min()}-{table.d.max()}"


def _key(table: Queries, row: int) -> str:
    return f"uid {table.uid[row]}, d {table.d[row]}, t {table.t[row]}"


def _city(path: Path) -> str:
    """Return the city in the file's name, e.g. city_B.csv.gz; else the file's name."""
    stem = path.name.split(".")[0]
    match = _CITY.search(stem)
    return match[1] if match else stem
