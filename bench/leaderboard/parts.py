"""How sure a paired difference is within a part of the points, or within one city.

A part's score exists for the users who have points in it. The interval of a difference of two rows there is Student's,
over those users; over several cities the squares of their half widths add up. It is not corrected for how many parts
and pairs are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.evaluation import bootstrap
from bench.evaluation.metrics.slices import FEWEST
from bench.leaderboard.panel import array, read_scores
from bench.leaderboard.ranking import Board, Row
from bench.records.record import Record

CITY = "city"
Wide = dict[str, dict[str, np.ndarray]]


def half_widths(board: Board, records: Callable[[Row, str], Sequence[Record]], folder: Path) -> Wide:
    """Return metric -> part (city=B, step=move) -> half the width of each pair's 95 % interval.

    Pairs are those of the board's ranked rows, (0, 1), (0, 2) ... (1, 2); NaN in a part of fewer than ten users.
    records: those behind a row in a city. Empty where the run does not hold its users' slices, or where
    several users are windows of one person.
    """
    alone = [town for row in board.ranked for town in (row.towns.values() or (row,))]
    if any(row.owners < row.users for row in alone):
        return {}  # windows of one person are no users of their own
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for city in board.cities:
        rows = [_of(records(row, city), folder) for row in board.ranked]
        if not rows or not all(rows):
            return {}
        for key in rows[0]:
            if all(key in row and row[key].shape == rows[0][key].shape for row in rows):
                metric, part = key
                half = _half(np.stack([row[key] for row in rows]))
                found.setdefault(metric, {}).setdefault(part, []).append(half)
    return {
        metric: {part: np.sqrt(np.sum(np.square(halves), axis=0)) / len(halves) for part, halves in parts.items()}
        for metric, parts in found.items()
    }


def _half(scores: np.ndarray) -> np.ndarray:
    """Half the interval's width of every pair's mean difference: (rows, users), NaN without a score -> (pairs,)."""
    first, second = np.triu_indices(len(scores), k=1)
    known = scores[:, np.isfinite(scores).all(axis=0)]
    users = known.shape[1]
    if users < FEWEST:
        return np.full(len(first), np.nan)
    cov = np.atleast_2d(np.cov(known))
    variance = np.diag(cov)[first] + np.diag(cov)[second] - 2 * cov[first, second]
    return bootstrap.student(1.959964, users - 1) * np.sqrt(np.maximum(variance, 0.0) / users)


def _of(records: Sequence[Record], folder: Path) -> Mapping[tuple[str, str], np.ndarray]:
    """Return (metric, part) -> each user's score, the mean over records; empty where a file is not here."""
    several = [dict(_read(record, folder)) for record in records]
    shared = [key for key in several[0] if all(key in one for one in several)] if several else []
    alike = [key for key in shared if len({one[key].shape for one in several}) == 1]
    return {key: np.mean([one[key] for one in several], axis=0) for key in alike}


def _read(record: Record, folder: Path) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Yield (metric, part), and each user's score there, by uid; NaN where a user has no point in the part."""
    path = folder / record.files.get("slices", "")
    if not path.is_file():
        return
    uids, whole = read_scores(record, folder)
    metrics = [name for name in whole if "|" not in name]
    for name in metrics:
        yield (name, f"{CITY}={record.case.test_city}"), whole[name]
    table = pq.ParquetFile(path).read()
    parts = np.char.add(np.char.add(_texts(table, "kind"), "="), _texts(table, "slice"))
    at = np.searchsorted(uids, array(table.column("uid")).astype(np.int64))
    for name in metrics:
        if name in table.column_names:
            values = array(table.column(name)).astype(float)
            for part in np.unique(parts):
                mine, scores = parts == part, np.full(len(uids), np.nan)
                scores[at[mine]] = values[mine]
                yield (name, str(part)), scores


def _texts(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table.column(name).to_pylist(), dtype=str)
