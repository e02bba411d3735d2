"""Read files of rows uid,d,t,x,y: text, gzip and Parquet; fast, and strict about every row.

Text is cut into blocks at line ends and parsed by a pool of threads while the next block is decompressed; a block
that does not parse is read again line by line, to take what is legal all the same and to name the faults.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bench.data.files.blocks import Parsed, Points, Table
from bench.data.files.dialect import GZIP, PARQUET, Layout, fields_of, opened, read_layout, starts_with
from bench.data.files.parquetfiles import read_batches
from bench.data.files.rows import COLUMNS, Rules
from bench.data.trajectories import DTYPES
from bench.data.world import Grid
from bench.errors import UserError

BLOCK = 1 << 20
NEWLINE = ord("\n")
SHORTEST_ROW = len("1,0,0,1,1\n")
MOST_GZIP_SAVES = 20


def read_points(
    path: Path,
    *,
    city: str,
    first_day: int = 0,
    masked: bool | range = False,
    answers: bool = False,
    grid: Grid = Grid(),  # noqa: B008 (frozen)
    most_faults: int | None = 20,
) -> Points:
    """Read one file of rows uid,d,t,x,y (with or without a header; other columns are passed over).

    Content tells what the file is, not its name: Parquet, or text (UTF-8 or UTF-16, in gzip or not) with commas,
    semicolons or tabs. A whole number may have a point: 135.0 is 135.

    city: name given to the rows. first_day: how the file counts its first day; days of the result count from 0.
    masked: whether x = y = 999 is legal, for everybody or for the uids in a range. answers: cells may be blank, NaN or
    outside the grid; such rows are among the masked ones. most_faults: how many faults to
    list before giving up (None: all). Raises UserError with one line a fault: file, line, field.
    """
    rules = Rules(grid, first_day, masked, answers)
    faults: list[str] = []
    parquet = starts_with(path, PARQUET)
    table = Table(0 if parquet else _most_rows(path))
    for parsed in read_batches(path, rules) if parquet else _text(path, rules):
        faults += parsed.faults
        if most_faults is not None and len(faults) >= most_faults:
            faults[most_faults:] = [f"{path}: stopped after {most_faults} faults; there may be more"]
            break
        if not faults:
            table.append(parsed)
    if faults:
        raise UserError(*faults)
    return table.points(path, city, first_day, most_faults, "row" if parquet else "line")


def _most_rows(path: Path) -> int:
    """How many rows a text file can hold, so that columns need not grow; a guess for gzip, 0 where nothing tells."""
    if not path.is_file():
        return 0
    size = path.stat().st_size
    if size >= 4 and starts_with(path, GZIP):
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)  # the size of the text modulo 2^32
            size = min(int.from_bytes(file.read(), "little"), size * MOST_GZIP_SAVES)
    return size // SHORTEST_ROW


def _text(path: Path, rules: Rules) -> Iterator[Parsed]:
    """Yield parsed blocks in order; parsing runs in threads, decompression in this one."""
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[Future[Parsed]] = deque()
    with opened(path) as file, ThreadPoolExecutor(workers) as pool:
        layout, rest = read_layout(path, file)
        line = layout.first_row
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


def _parse(path: Path, layout: Layout, rules: Rules, lines: range, block: bytes) -> Parsed:
    """Parse one block of whole lines: as a whole if it is in order, else line by line."""
    if block.isspace():
        return Parsed({name: np.zeros(0, DTYPES[name]) for name in COLUMNS}, range(0))
    columns = _columns(layout, block)
    if columns is None and b"." in block:
        columns = _columns(layout, _without_point_zero(block, layout.separator.encode()))
    if columns is None or not rules.hold(columns):
        return _line_by_line(path, layout, rules, lines, block)
    if len(columns["uid"]) == len(lines):
        return Parsed(columns, lines)
    numbers = lines.start + np.flatnonzero([bool(text.strip()) for text in block.split(b"\n")])
    if len(columns["uid"]) != len(numbers):
        return _line_by_line(path, layout, rules, lines, block)
    return Parsed(columns, numbers)


def _without_point_zero(block: bytes, separator: bytes) -> bytes:
    """Return a block with 135 for 135.0 at the end of each field, as pandas writes columns that had gaps."""
    for end in (separator, b"\n", b"\r"):
        block = block.replace(b".0" + end, end)
    return block.removesuffix(b".0")


def _columns(layout: Layout, block: bytes) -> dict[str, np.ndarray] | None:
    """Parse a block of nothing but whole numbers; None if it is not that, or too large for the columns."""
    import pyarrow as pa
    import pyarrow.csv as pc

    if (b"x" in block or b"X" in block) and len(layout.names) == len(COLUMNS):
        return None  # a hexadecimal number, for Arrow
    try:
        table = pc.read_csv(
            pa.BufferReader(block),
            read_options=pc.ReadOptions(column_names=layout.names, use_threads=False, block_size=len(block) + 1),
            parse_options=pc.ParseOptions(delimiter=layout.separator, newlines_in_values=False),
            convert_options=pc.ConvertOptions(
                column_types={name: pa.from_numpy_dtype(DTYPES[name]) for name in COLUMNS},
                include_columns=COLUMNS,
                null_values=[],
            ),
        )
    except pa.ArrowInvalid:
        return None
    return {name: table.column(name).to_numpy() for name in COLUMNS}


def _line_by_line(path: Path, layout: Layout, rules: Rules, lines: range, block: bytes) -> Parsed:
    """Read every line of a block, or name its fault."""
    rows, numbers, faults = [], [], []
    for number, line in enumerate(block.decode("utf-8", errors="replace").split("\n"), start=lines.start):
        if not line.strip():
            continue
        fields = fields_of(line, layout.separator)
        if len(fields) != len(layout.names):
            faults.append(f"{path}, line {number}: {len(fields)} fields instead of {len(layout.names)}")
            continue
        values, wrong = rules.read(dict(zip(layout.names, fields, strict=True)))
        faults += [f"{path}, line {number}: {fault}" for fault in wrong]
        rows.append(values)
        numbers.append(number)
    return Parsed({}, range(0), faults) if faults else Parsed.of(rows, numbers)
