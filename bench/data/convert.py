"""Write rows uid,d,t,x,y as .csv, .csv.gz or Parquet, and convert between them and between day conventions.

Conversations of language models (JSON, as the code of Llama-Mob's paper publishes them) become rows too: their reader
is handed in, since it belongs to a model.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.files.blocks import Points
from bench.data.files.csvfiles import read_points
from bench.data.files.dialect import holds_json
from bench.data.files.rows import COLUMNS, MASK
from bench.data.trajectories import DTYPES, Queries, Trajectories, sort_order
from bench.errors import UserError
from bench.files import write_with

if TYPE_CHECKING:
    import pyarrow as pa


ReadConversations = Callable[[Path], Points]


def convert(
    source: Path,
    target: Path,
    *,
    from_day: int = 0,
    to_day: int = 0,
    conversations: ReadConversations | None = None,
) -> int:
    """Convert a file of rows uid,d,t,x,y or of conversations; return how many rows it has.

    The target's ending (.csv, .csv.gz, .parquet) decides its format, the source's content tells its own; from_day,
    to_day: the number of the first day in the source and in the target (0 or 1). conversations: reads JSON. Masked
    cells stay 999. Raises UserError; nothing half-written stays behind.
    """
    _first_day("to-day", to_day)
    _ending(target)  # before the long work
    points = read_source(source, from_day=from_day, conversations=conversations)
    try:
        write_points(target, points, first_day=to_day)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror or error})") from None
    return len(points.visible) + len(points.masked)


def read_source(path: Path, *, from_day: int = 0, conversations: ReadConversations | None = None) -> Points:
    """Read a file of rows, or of conversations, whose days count from 0. Raises UserError."""
    _first_day("from-day", from_day)
    if conversations is None or not holds_json(path):
        return read_points(path, city="", first_day=from_day, masked=True)
    if from_day:
        raise UserError(f"--from-day {from_day}: days of conversations count from 0")
    return conversations(path)


def _first_day(option: str, day: int) -> None:
    if day not in (0, 1):
        raise UserError(f"--{option} {day}: the first day is 0 (HuMob 2023, 2024) or 1 (GIS Cup 2025)")


def write_points(path: Path, points: Points | Trajectories, *, first_day: int = 0) -> None:
    """Write rows of one city, sorted, with a header and masked cells as 999; whole or not at all."""
    ending = _ending(path)
    if isinstance(points, Trajectories):
        points = Points(points, Queries.empty(points.cities))
    table = _arrow(points, first_day)
    write_with(path, lambda part: _write(table, part, ending))


def _ending(path: Path) -> str:
    for ending in (".csv.gz", ".csv", ".parquet"):
        if path.name.endswith(ending):
            return ending
    raise UserError(f"{path}: the ending must be .csv, .csv.gz or .parquet")


def _arrow(points: Points, first_day: int) -> pa.Table:
    """The rows of both parts in order, as an Arrow table."""
    import pyarrow as pa

    visible, masked = points
    columns: dict[str, np.ndarray] = {}
    for name in COLUMNS:
        hidden = getattr(masked, name, np.full(len(masked), MASK, DTYPES[name]))
        columns[name] = np.concatenate([getattr(visible, name), hidden]) if len(masked) else getattr(visible, name)
    order, _ = sort_order(columns)
    if order is not None:
        columns = {name: column[order] for name, column in columns.items()}
    if first_day:
        columns["d"] = columns["d"] + DTYPES["d"](first_day)
    return pa.table(columns)


def _write(table: pa.Table, path: Path, ending: str) -> None:
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    if ending == ".parquet":
        pq.write_table(table, path, compression="zstd")
        return
    options = pc.WriteOptions(quoting_style="none", quoting_header="none")
    if ending == ".csv":
        pc.write_csv(table, path, options)
        return
    # No time stamp and no name inside: the same rows give the same bytes.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
        pc.write_csv(table, file, options)
