"""Read files of rows uid,d,t,x,y: .csv, .csv.gz and Parquet; fast, and strict about every row.

Text is cut into blocks at line ends and parsed by a pool of threads while the next block is decompressed; a block
that does not parse is read again line by line to name its faults.
"""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError

from bench.data.files.blocks import Parsed, Points, Table
from bench.data.files.parquetfiles import read_batches
from bench.data.files.rows import COLUMNS, Rules, check_names
from bench.data.trajectories import DTYPES
from bench.data.world import Grid
from bench.errors import UserError

BLOCK = 1 << 20
NEWLINE = ord("\n")
LONGEST_LINE = 1 << 16
SHORTEST_ROW = len("1,0,0,1,1\n")
GZIP_MAGIC = b"\x1f\x8b"
MOST_GZIP_SAVES = 20


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
    table = Table(_most_rows(path))
    for parsed in read_batches(path, rules) if path.suffix == ".parquet" else _text(path, rules):
        faults += parsed.faults
        if most_faults is not None and len(faults) >= most_faults:
            faults[most_faults:] = [f"{path}: stopped after {most_faults} faults; there may be more"]
            break
        if not faults:
            table.append(parsed)
    if faults:
        raise UserError(*faults)
    return table.points(path, city, first_day, most_faults)


@dataclass(frozen=True)
class _Layout:
    """Where the columns of a text file are: all names in the file's order, and whether line 1 is a header."""

    names: tuple[str, ...]
    header: bool


def _layout(path: Path, first_line: bytes) -> _Layout:
    """Read the first line: it is a header if no field of it is a number."""
    if len(first_line) >= LONGEST_LINE:
        raise UserError(f"{path}, line 1: is longer than {LONGEST_LINE} bytes; give rows {','.join(COLUMNS)}")
    fields = _fields(first_line.decode("utf-8-sig", errors="replace"))
    if any(_is_number(text) for text in fields):
        if len(fields) != len(COLUMNS):
            want = f"without a header there must be {len(COLUMNS)}: {','.join(COLUMNS)}"
            raise UserError(f"{path}, line 1: {len(fields)} fields; {want}")
        return _Layout(COLUMNS, header=False)
    return _Layout(check_names(f"{path}, line 1", [name.strip().lower() for name in fields]), header=True)


def _fields(line: str) -> list[str]:
    """Cut a line at its commas."""
    try:
        return next(csv.reader([line.rstrip("\r\n")]), [])
    except csv.Error:  # a lone carriage return, an endless quote
        return line.split(",")


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
                with igzip.open(raw) as file:
                    yield file
            else:
                yield raw
    except EOFError:
        raise UserError(f"{path}: the gzip stream ends too early (truncated); copy or download it again") from None
    except (igzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]  # the stub types it as a value
        raise UserError(f"{path}: the gzip stream is damaged ({error}); copy or download it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _most_rows(path: Path) -> int:
    """How many rows a text file can hold, so that columns need not grow; a guess for gzip, 0 where nothing tells."""
    if not path.is_file() or path.suffix == ".parquet":
        return 0
    size = path.stat().st_size
    if path.suffix == ".gz" and size >= 4:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)  # the size of the text modulo 2^32
            size = min(int.from_bytes(file.read(), "little"), size * MOST_GZIP_SAVES)
    return size // SHORTEST_ROW


def _text(path: Path, rules: Rules) -> Iterator[Parsed]:
    """Yield parsed blocks in order; parsing runs in threads, decompression in this one."""
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[Future[Parsed]] = deque()
    with _opened(path) as file, ThreadPoolExecutor(workers) as pool:
        first = file.readline(LONGEST_LINE)
        layout = _layout(path, first)
        line = 2 if layout.header else 1
        rest = b"" if layout.header else first.removeprefix(b"\xef\xbb\xbf")
        while chunk := file.read(BLOCK):
            cut = chunk.rfind(b"\n") + 1
            if not cut and len(chunk) == BLOCK:
                raise UserError(f"{path}, line {line}: is longer than {BLOCK} bytes; give rows {','.join(COLUMNS)}")
            block, rest = (rest + chunk[:cut], chunk[cut:]) if cut else (b"", rest + chunk)
            ends = int(np.count_nonzero(np.frombuffer(block, np.uint8) == NEWLINE))  # faster than block.count
            if block:
                waiting.append(pool.submit(_parse, path, layout, rules, range(line, line + ends), block))
            line += ends
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        if rest:
            waiting.append(pool.submit(_parse, path, layout, rules, range(line, line + 1), rest))
        while waiting:
            yield waiting.popleft().result()


def _parse(path: Path, layout: _Layout, rules: Rules, lines: range, block: bytes) -> Parsed:
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
            return Parsed({name: np.zeros(0, DTYPES[name]) for name in COLUMNS}, range(0))
        return Parsed({}, range(0), _diagnose(path, layout, rules, lines, block, str(error)))
    columns = {name: table.column(name).to_numpy() for name in COLUMNS}
    numbers: range | np.ndarray = lines
    if table.num_rows != len(lines):  # blank lines were passed over
        numbers = lines.start + np.flatnonzero([bool(text.strip()) for text in block.split(b"\n")])
    hexadecimal = (b"x" in block or b"X" in block) and len(layout.names) == len(COLUMNS)  # a number for Arrow
    if hexadecimal or len(numbers) != table.num_rows or not rules.hold(columns):
        return Parsed({}, range(0), _diagnose(path, layout, rules, lines, block, "rows do not match lines"))
    return Parsed(columns, numbers)


def _diagnose(path: Path, layout: _Layout, rules: Rules, lines: range, block: bytes, reason: str) -> list[str]:
    """Name every fault of a block, line by line."""
    faults = []
    for number, line in enumerate(block.decode("utf-8", errors="replace").split("\n"), start=lines.start):
        if not line.strip():
            continue
        fields = _fields(line)
        if len(fields) != len(layout.names):
            faults.append(f"{path}, line {number}: {len(fields)} fields instead of {len(layout.names)}")
            continue
        row = dict(zip(layout.names, fields, strict=True))
        faults += [f"{path}, line {number}: {fault}" for fault in rules.faults(row)]
    return faults or [f"{path}, lines {lines.start}-{lines.stop}: {reason.splitlines()[0]}"]
