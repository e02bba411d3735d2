"""Read files of rows uid,d,t,x,y: .csv, .csv.gz and Parquet; fast, and strict about every row.

Text is cut into blocks at line ends and parsed by a pool of threads while the next block is decompressed; a block
that does not parse is read again line by line to name its faults.
"""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from bench.errors import UserError
from bench.sources.rows import COLUMNS, MASK, Rules
from bench.trajectories import DTYPES, Queries, Trajectories, sort_order
from bench.world import Grid

BLOCK = 1 << 22
GZIP_MAGIC = b"\x1f\x8b"


class Points(NamedTuple):
    """What a file holds: the rows with a cell, and the keys of the rows whose cell is masked."""

    visible: Trajectories
    masked: Queries


def read_points(
    path: Path,
    *,
    city: str,
    first_day: int = 0,
    masked: bool | range = False,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    most_faults: int | None = 20,
) -> Points:
    """Read one file of rows uid,d,t,x,y (with or without a header; other columns are passed over).

    city: name given to the rows. first_day: how the file counts its first day; days of the result count from 0.
    masked: whether x = y = 999 is legal, for everybody or for the uids in a range. most_faults: how many faults to
    list before giving up (None: all). Raises UserError with one line a fault: file, line, field.
    """
    rules = Rules(grid, first_day, masked)
    faults: list[str] = []
    blocks: list[_Parsed] = []
    for parsed in _parquet(path, rules) if path.suffix == ".parquet" else _text(path, rules):
        faults += parsed.faults
        if most_faults is not None and len(faults) >= most_faults:
            faults[most_faults:] = [f"{path}: stopped after {most_faults} faults; there may be more"]
            break
        blocks.append(parsed)
    if faults:
        raise UserError(*faults)
    return _table(path, blocks, city, first_day, most_faults)


@dataclass
class _Parsed:
    """A run of rows: compact columns, the line (or row) number of each row, and the faults found."""

    columns: dict[str, np.ndarray]
    lines: range | np.ndarray
    faults: list[str]


def _table(path: Path, blocks: list[_Parsed], city: str, first_day: int, most_faults: int | None) -> Points:
    """Join blocks, sort if need be, part the masked rows; every column is freed as soon as it is joined."""
    lines = [block.lines for block in blocks]
    columns = {
        n: np.concatenate([block.columns.pop(n) for block in blocks] or [np.zeros(0, DTYPES[n])]) for n in COLUMNS
    }
    if not len(columns["uid"]):
        raise UserError(f"{path}: holds no rows; give at least one row {','.join(COLUMNS)}")
    columns["d"] -= first_day
    order, twice = sort_order(columns)
    if len(twice):
        raise UserError(*_repeats(path, columns, twice, lines, first_day, most_faults))
    if order is not None:
        for name in COLUMNS:
            columns[name] = columns[name][order]
    del order
    return _part(columns, city)


def _part(columns: dict[str, np.ndarray], city: str) -> Points:
    """Part visible and masked rows."""
    hidden = columns["x"] == MASK
    if not hidden.any():
        return Points(
            Trajectories((city,), city=np.zeros(len(hidden), DTYPES["city"]), **columns), Queries.empty((city,))
        )
    keys = {name: columns[name][hidden] for name in COLUMNS[:3]}
    np.logical_not(hidden, out=hidden)
    for name in COLUMNS:
        columns[name] = columns[name][hidden]
    city_of = np.zeros(len(hidden), DTYPES["city"])
    seen = len(columns["uid"])
    return Points(Trajectories((city,), city=city_of[:seen], **columns), Queries((city,), city=city_of[seen:], **keys))


def _repeats(
    path: Path,
    columns: Mapping[str, np.ndarray],
    twice: np.ndarray,
    lines: list[range | np.ndarray],
    first_day: int,
    most_faults: int | None,
) -> Iterator[str]:
    """Name rows whose key stands twice: ``twice`` holds pairs of row indices."""
    ends = np.cumsum([len(part) for part in lines])
    word = "row" if path.suffix == ".parquet" else "line"

    def line(row: int) -> int:
        block = int(np.searchsorted(ends, row, side="right"))
        return int(lines[block][row - int(ends[block])])  # counted from the block's end

    for first, again in twice[:most_faults]:
        uid, d, t = (int(columns[name][first]) for name in COLUMNS[:3])
        yield (
            f"{path}, {word} {line(again)}: uid {uid}, d {d + first_day}, t {t} stands in {word} {line(first)} "
            "already; keep one row per uid, d and t"
        )
    if most_faults is not None and len(twice) > most_faults:
        yield f"{path}: {len(twice) - most_faults} more rows stand twice"


# --- text -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """Where the columns of a text file are: all names in the file's order, and whether line 1 is a header."""

    names: tuple[str, ...]
    header: bool


def _layout(path: Path, first_line: bytes) -> _Layout:
    """Read the first line: it is a header if no field of it is a number."""
    fields = next(csv.reader([first_line.decode("utf-8-sig", errors="replace").rstrip("\r\n")]), [])
    if any(_is_number(text) for text in fields):
        if len(fields) != len(COLUMNS):
            want = f"without a header there must be {len(COLUMNS)}: {','.join(COLUMNS)}"
            raise UserError(f"{path}, line 1: {len(fields)} fields; {want}")
        return _Layout(COLUMNS, header=False)
    return _Layout(check_names(f"{path}, line 1", [name.strip().lower() for name in fields]), header=True)


def check_names(where: str, names: list[str]) -> tuple[str, ...]:
    """Return the names; raise UserError if one of uid, d, t, x, y is missing or stands twice."""
    faults = []
    for name in COLUMNS:
        if names.count(name) != 1:
            fault = "is missing" if name not in names else f"stands {names.count(name)} times"
            faults.append(f"{where}: column '{name}' {fault}; the columns are {','.join(names)[:80] or 'none'}")
    if faults:
        raise UserError(*faults)
    return tuple(names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower() not in ("nan", "inf", "infinity")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open text or gzip for reading; say in one line why the file cannot be read."""
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(2)[:2] == GZIP_MAGIC
            if path.stat().st_size == 0:
                raise UserError(f"{path}: is empty; give rows {','.join(COLUMNS)}")
            if path.suffix == ".gz" and not zipped:
                raise UserError(f"{path}: is not gzip though its name says so; rename it if it is plain text")
            if zipped:
                with gzip.open(raw) as file:
                    yield file  # type: ignore[misc]
            else:
                yield raw
    except EOFError:
        raise UserError(f"{path}: the gzip stream ends too early (truncated); copy or download it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: the gzip stream is damaged ({error}); copy or download it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _text(path: Path, rules: Rules) -> Iterator[_Parsed]:
    """Yield parsed blocks in order; parsing runs in threads, decompression in this one."""
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[Future[_Parsed]] = deque()
    with _opened(path) as file, ThreadPoolExecutor(workers) as pool:
        first = file.readline()
        layout = _layout(path, first)
        line = 2 if layout.header else 1
        rest = b"" if layout.header else first.removeprefix(b"\xef\xbb\xbf")
        while chunk := file.read(BLOCK):
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                rest += chunk
                continue
            block, rest = rest + chunk[:cut], chunk[cut:]
            waiting.append(pool.submit(_parse, path, layout, rules, line, block))
            line += block.count(b"\n")
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        if rest:
            waiting.append(pool.submit(_parse, path, layout, rules, line, rest))
        while waiting:
            yield waiting.popleft().result()


def _parse(path: Path, layout: _Layout, rules: Rules, first_line: int, block: bytes) -> _Parsed:
    """Parse one block of whole lines."""
    import pyarrow as pa
    import pyarrow.csv as pc

    kinds = {name: pa.from_numpy_dtype(DTYPES[name]) for name in COLUMNS}
    try:
        table = pc.read_csv(
            pa.BufferReader(block),
            read_options=pc.ReadOptions(column_names=layout.names, use_threads=False, block_size=len(block) + 1),
            parse_options=pc.ParseOptions(newlines_in_values=False),
            convert_options=pc.ConvertOptions(column_types=kinds, include_columns=COLUMNS, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        if not block.strip():
            return _Parsed({name: np.zeros(0, DTYPES[name]) for name in COLUMNS}, range(0), [])
        return _Parsed({}, range(0), _diagnose(path, layout, rules, first_line, block, str(error)))
    columns = {name: table.column(name).to_numpy() for name in COLUMNS}
    if not rules.hold(columns):
        return _Parsed({}, range(0), _diagnose(path, layout, rules, first_line, block, "a value is out of bounds"))
    lines: range | np.ndarray = range(first_line, first_line + table.num_rows)
    if table.num_rows != block.count(b"\n"):  # blank lines (or no line end at the end of the file)
        filled = [bool(text.strip()) for text in block.split(b"\n")]
        lines = first_line + np.flatnonzero(filled)
    return _Parsed(columns, lines, [])


def _diagnose(path: Path, layout: _Layout, rules: Rules, first_line: int, block: bytes, reason: str) -> list[str]:
    """Name every fault of a block, line by line."""
    faults = []
    for number, line in enumerate(block.decode("utf-8", errors="replace").split("\n"), start=first_line):
        if not line.strip():
            continue
        fields = next(csv.reader([line.rstrip("\r")]))
        if len(fields) != len(layout.names):
            faults.append(f"{path}, line {number}: {len(fields)} fields instead of {len(layout.names)}")
            continue
        row = dict(zip(layout.names, fields, strict=True))
        faults += [f"{path}, line {number}: {fault}" for fault in rules.faults(row)]
    last = first_line + block.count(b"\n")
    return faults or [f"{path}, lines {first_line}-{last}: {reason.splitlines()[0]}"]


# --- Parquet --------------------------------------------------------------------------------------------------------


def _parquet(path: Path, rules: Rules) -> Iterator[_Parsed]:
    """Yield parsed batches in order; faults name the row, counted from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = check_names(str(path), file.schema_arrow.names)
        first = 1
        for batch in file.iter_batches(1 << 18, columns=[name for name in names if name in COLUMNS]):
            yield _parse_batch(path, rules, first, batch)
            first += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None


def _parse_batch(path: Path, rules: Rules, first: int, batch: pa.RecordBatch) -> _Parsed:  # type: ignore[name-defined] # noqa: F821
    import pyarrow as pa

    try:
        cast = {name: batch.column(name).cast(pa.from_numpy_dtype(DTYPES[name])) for name in COLUMNS}
        columns = {name: column.to_numpy(zero_copy_only=True) for name, column in cast.items()}
        if rules.hold(columns):
            return _Parsed({n: c.copy() for n, c in columns.items()}, range(first, first + batch.num_rows), [])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    faults = []
    for number, row in enumerate(batch.to_pylist(), start=first):
        text = {name: None if row[name] is None else str(row[name]) for name in COLUMNS}
        faults += [f"{path}, row {number}: {fault}" for fault in rules.faults(text)]
    return _Parsed({}, range(0), faults)
