"""Files with the answers of several runs of a model: rows run,uid,d,t,x,y; a column city where they hold several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.data.files.blocks import Parsed, Points, Table
from bench.data.files.csvfiles import read_points
from bench.data.files.dialect import PARQUET, Layout, fields_of, opened, read_layout, starts_with
from bench.data.files.rows import Rules
from bench.data.world import Grid
from bench.errors import UserError

RUN, CITY = "run", "city"
MOST_FAULTS = 20


def read_runs(path: Path, city: str, first_day: int, grid: Grid) -> list[Points]:
    """Return the answers of each run of a city, by the runs' names; a file without a column ``run`` is one run.

    Where there is a column ``city``, rows of other cities are passed over. Raises UserError with one line a fault.
    """
    if starts_with(path, PARQUET) or RUN not in _layout(path).names:
        return [read_points(path, city=city, first_day=first_day, answers=True, grid=grid)]
    rules = Rules(grid, first_day, answers=True)
    rows: dict[str, list[list[int]]] = defaultdict(list)
    numbers: dict[str, list[int]] = defaultdict(list)
    faults: list[str] = []
    for number, row in _rows(path):
        if row.get(CITY, city) == city:
            values, wrong = rules.read(row)
            faults += [f"{path}, line {number}: {fault}" for fault in wrong]
            rows[row[RUN]].append(values)
            numbers[row[RUN]].append(number)
            if len(faults) >= MOST_FAULTS:
                break
    if not rows and not faults:
        faults.append(f"{path}: has no rows of city {city}; name another file for it, or none")
    if faults:
        raise UserError(*faults[:MOST_FAULTS])
    return [_points(path, city, first_day, rows[run], numbers[run]) for run in sorted(rows)]


def _points(path: Path, city: str, first_day: int, rows: list[list[int]], numbers: Sequence[int]) -> Points:
    table = Table()
    table.append(Parsed.of(rows, numbers))
    return table.points(path, city, first_day, MOST_FAULTS, "line")


def _layout(path: Path) -> Layout:
    with opened(path) as file:
        return read_layout(path, file)[0]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line's number and fields by name. Raises UserError for a line of another length."""
    with opened(path) as file:
        layout, _none = read_layout(path, file)  # a file with names has no row in its first lines
        for number, line in enumerate(file, layout.first_row):
            if line.strip():
                fields = fields_of(line.decode("utf-8", errors="replace"), layout.separator)
                if len(fields) != len(layout.names):
                    raise UserError(f"{path}, line {number}: {len(fields)} fields instead of {len(layout.names)}")
                yield number, dict(zip(layout.names, fields, strict=True))
