"""From parsed blocks of a file to its tables: join, sort, find repeated keys, part the masked rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.files.rows import COLUMNS, MASK
from bench.data.trajectories import DTYPES, Queries, Trajectories, is_sorted, sort_order
from bench.errors import UserError

CHUNK = 1 << 18


class Points(NamedTuple):
    """What a file holds: the rows with a cell, and the keys of the rows whose cell is masked."""

    visible: Trajectories
    masked: Queries


@dataclass(frozen=True)
class Parsed:
    """A run of a file's rows: compact columns, the line (or row) number of each, and the faults found."""

    columns: dict[str, np.ndarray]
    lines: Sequence[int] | np.ndarray
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], lines: Sequence[int]) -> Parsed:
        """Make columns of legal rows that were read one by one."""
        columns = np.array(rows, np.int64).reshape(-1, len(COLUMNS)).T
        return cls({name: column.astype(DTYPES[name]) for name, column in zip(COLUMNS, columns, strict=True)}, lines)


class Table:
    """Columns that grow block by block. Room not yet used is never touched, so that it takes no memory.

    room: rows to make room for at once.
    """

    def __init__(self, room: int = 0) -> None:
        self._columns = {name: np.empty(room, DTYPES[name]) for name in COLUMNS}
        self._lines: list[Sequence[int] | np.ndarray] = []
        self._rows = 0

    def append(self, block: Parsed) -> None:
        """Copy a block's rows behind those that are here."""
        start, self._rows = self._rows, self._rows + len(block.lines)
        for name, values in block.columns.items():
            column = self._columns[name]
            if len(column) < self._rows:
                column = np.empty(max(self._rows, 3 * len(column) // 2), column.dtype)
                column[:start] = self._columns[name][:start]
                self._columns[name] = column
            column[start : self._rows] = values
        self._lines.append(block.lines)

    def points(self, path: Path, city: str, first_day: int, most_faults: int | None, word: str) -> Points:
        """Hand over the rows, sorted, with days from 0; the table is empty then. Raises UserError for repeated keys.

        word: what the numbers of rows count, "line" or "row".
        """
        columns, self._columns = {name: column[: self._rows] for name, column in self._columns.items()}, {}
        if not self._rows:
            raise UserError(f"{path}: holds no rows; give at least one row {','.join(COLUMNS)}")
        if not is_sorted(columns) and not _sort_packed(columns):
            order, twice = sort_order(columns)
            if len(twice):
                raise UserError(*self._repeats(path, columns, twice, most_faults, word))
            columns = {name: column[order] for name, column in columns.items()}
        if first_day:
            columns["d"] -= DTYPES["d"](first_day)
        return _part(columns, city)

    def _repeats(
        self, path: Path, columns: dict[str, np.ndarray], twice: np.ndarray, most_faults: int | None, word: str
    ) -> Iterator[str]:
        """Name the rows whose key stands twice, in the file's order; ``twice`` holds pairs of row indices."""
        ends = np.cumsum([len(lines) for lines in self._lines])

        def line(row: int) -> int:
            block = int(np.searchsorted(ends, row, side="right"))
            return int(self._lines[block][row - int(ends[block])])  # counted from the block's end

        for first, again in twice[:most_faults]:
            uid, d, t = (int(columns[name][first]) for name in COLUMNS[:3])
            there = f"{word} {line(first)}"
            yield f"{path}, {word} {line(again)}: uid {uid}, d {d}, t {t} stands in {there} already; keep one of them"
        if most_faults is not None and len(twice) > most_faults:
            yield f"{path}: {len(twice) - most_faults} more rows stand twice"


def _sort_packed(columns: dict[str, np.ndarray]) -> bool:
    """Sort rows in place, each packed into one integer: half the memory of sorting by an index.

    Return False, and change nothing, if a row needs more than 63 bits or a key stands twice.
    """
    bits = {name: int(columns[name].max()).bit_length() for name in COLUMNS}
    if sum(bits.values()) > 63:
        return False
    rows = columns[COLUMNS[0]].astype(np.int64)
    for name in COLUMNS[1:]:
        rows <<= bits[name]
        rows |= columns[name]
    rows.sort()
    chunks = [slice(i, i + CHUNK) for i in range(0, len(rows), CHUNK)]  # small temporary arrays
    cell = bits["x"] + bits["y"]
    if any(np.any(np.diff(rows[chunk.start : chunk.stop + 1] >> cell) == 0) for chunk in chunks):
        return False
    for chunk in chunks:
        part = rows[chunk]
        for name in COLUMNS[::-1]:
            columns[name][chunk] = part & ((1 << bits[name]) - 1)
            part >>= bits[name]
    return True


def _part(columns: dict[str, np.ndarray], city: str) -> Points:
    """Part visible and masked rows; each column is freed as soon as it is parted."""
    hidden = columns["x"] == MASK
    keys = {name: columns[name][hidden] for name in COLUMNS[:3]}
    if len(keys["uid"]):
        np.logical_not(hidden, out=hidden)
        for name in COLUMNS:
            columns[name] = columns[name][hidden]
    visible = Trajectories((city,), city=np.zeros(len(columns["uid"]), DTYPES["city"]), **columns)
    return Points(visible, Queries((city,), city=np.zeros(len(keys["uid"]), DTYPES["city"]), **keys))
