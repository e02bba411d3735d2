"""Read files of raw points: text, Parquet, GPX, GeoJSON, PLT; what a row lacks is counted, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.files.dialect import PARQUET, starts_with
from bench.data.points.fixes import Fixes, Ledger
from bench.data.points.layouts import NAMES, Layout, find_columns
from bench.data.points.settings import Settings
from bench.data.points.textfiles import read_plt, read_text
from bench.data.points.times import MISSING, arrow_ms
from bench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

UNKNOWN = 10**6  # minutes
UNREADABLE = "a row without a time or a position that can be read"
MARKED = "a fix that the data set marks as an outlier (visible: false)"


@dataclass(frozen=True)
class Read:
    """All fixes of a source; metric: positions are metres; local: times are the local clock's; columns: those used."""

    fixes: Fixes
    metric: bool
    local: bool
    columns: dict[str, str]


def read_source(
    path: Path, layout: Layout, settings: Settings, ledger: Ledger, tick: Callable[[int, int], None]
) -> Read:
    """Read a file, or a folder's files in order of their names. tick: told (files done, files). Raises UserError."""
    paths = list(_files(path, layout))
    parts: list[Read] = []
    for done, file in enumerate(paths):
        tick(done, len(paths))
        table = _table(file, layout, settings, ledger)
        parts.append(_fixes(file, table, layout, settings, ledger))
    tick(len(paths), len(paths))
    kinds = {(part.metric, part.local) for part in parts if len(part.fixes)}
    if len(kinds) > 1:
        raise UserError(f"{path}: its files differ: degrees and metres, or times with and without an offset from UTC")
    if not ledger.came:
        raise UserError(f"{path}: holds no rows")
    metric, local = next(iter(kinds), (False, False))
    return Read(Fixes.concat([part.fixes for part in parts]), metric, local, parts[0].columns)


def _files(path: Path, layout: Layout) -> Iterator[Path]:
    if not path.exists():
        raise UserError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(layout.endings))
    if not found:
        raise UserError(f"{path}: holds no file that ends in {', '.join(layout.endings)}")
    yield from found


def _table(path: Path, layout: Layout, settings: Settings, ledger: Ledger) -> pa.Table:
    """Read one file as a table of its own columns, and count its rows."""
    name = path.name.lower()
    if starts_with(path, PARQUET):
        table = _parquet(path)
    elif name.endswith(".gpx"):
        from bench.data.points.tracks import read_gpx

        table = read_gpx(path)
    elif name.endswith((".geojson", ".json")):
        from bench.data.points.tracks import read_geojson

        table = read_geojson(path)
    else:
        table, short = read_plt(path) if name.endswith(".plt") else read_text(path, layout, settings)
        ledger.came += short
        ledger.drop(UNREADABLE, short)
    ledger.came += table.num_rows
    return table


def _parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _fixes(path: Path, table: pa.Table, layout: Layout, settings: Settings, ledger: Ledger) -> Read:
    """Make fixes of one file's table; rows without a time or a position are counted."""
    columns = find_columns(str(path), table.column_names, {role: getattr(settings, role) for role in NAMES})
    metric = "x" in columns
    ms, zoned = arrow_ms(str(path), table.column(columns["time"]), settings.time_format)
    lon, lat = (_numbers(table.column(columns[role])) for role in (("x", "y") if metric else ("lon", "lat")))
    names, user = _users(path, table, columns, layout)
    offset = _offsets(table.column(columns["offset"])) if "offset" in columns else None
    fixes = Fixes(names, user, ms, lon, lat, offset)
    good = (ms != MISSING) & np.isfinite(lon) & np.isfinite(lat) & (user >= 0)
    if offset is None:
        columns.pop("offset", None)
    else:
        good &= offset != UNKNOWN
    marked = _marked(table.column(columns["visible"])) if "visible" in columns else np.zeros(len(good), bool)
    ledger.drop(MARKED, int(np.count_nonzero(good & marked)))
    ledger.drop(UNREADABLE, int(np.count_nonzero(~good)))
    good &= ~marked
    if not good.all():
        fixes = fixes.take(good)
    return Read(fixes, metric, not zoned and settings.time_is == "local", columns)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return floats; NaN for what is no number."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_floating(column.type) and not column.null_count:
        return column.to_numpy().astype(np.float64, copy=False)
    return pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _offsets(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return minutes, UNKNOWN where a row has none; None if the column holds others, such as names of zones."""
    values = _numbers(column)
    legal = np.isfinite(values) & (np.abs(values) <= 24 * 60)
    return np.where(legal, values, UNKNOWN).astype(np.int32) if legal.any() else None


def _marked(column: pa.ChunkedArray) -> np.ndarray:
    """Return which rows are marked as outliers: those that say false; an empty field says nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    said = pc.utf8_lower(pc.fill_null(pc.cast(column, pa.string()), ""))
    return np.asarray(pc.is_in(said, value_set=pa.array(["false", "0"])).to_numpy(), dtype=bool)


def _users(path: Path, table: pa.Table, columns: dict[str, str], layout: Layout) -> tuple[tuple[str, ...], np.ndarray]:
    """Return names and codes; -1 where a row names nobody."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "user" not in columns:
        stem = path.name.split(".")[0].removeprefix("new_")
        plt = layout.user == "folder" and path.suffix.lower() == ".plt"
        return ((path.parent.parent.name if plt else stem),), np.zeros(table.num_rows, np.int32)
    column = table.column(columns["user"])
    if not pa.types.is_dictionary(column.type):
        column = pc.cast(column, pa.string()).dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no chunk at all
        return (), np.zeros(0, np.int32)
    names = tuple(str(name).strip() for name in column.dictionary.to_pylist())
    return names, pc.fill_null(column.indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
