"""Points of interest: how many of each category stand in each cell of a city; an optional table beside its rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.world import Grid
from bench.errors import UserError

CATEGORIES = 85  # of HuMob 2024, from 1
COLUMNS = ("x", "y", "category", "POI_count")
MOST = 1_000_000  # of one category in one cell


@dataclass(frozen=True, eq=False)
class Poi:
    """One city's table: int32 columns, sorted by (y, x, category), no such key twice; cells and categories from 1."""

    grid: Grid
    x: np.ndarray
    y: np.ndarray
    category: np.ndarray
    count: np.ndarray

    @classmethod
    def build(cls, grid: Grid, x: np.ndarray, y: np.ndarray, category: np.ndarray, count: np.ndarray) -> Poi:
        """Make a table from unsorted columns that hold whole numbers."""
        order = np.lexsort((category, x, y))
        return cls(grid, *(np.asarray(column, np.int32)[order] for column in (x, y, category, count)))

    def counts(self) -> np.ndarray:
        """Return all counts: int32 of shape (height, width, CATEGORIES), indexed [y - 1, x - 1, category - 1]."""
        found = np.zeros((self.grid.height, self.grid.width, CATEGORIES), np.int32)
        found[self.y - 1, self.x - 1, self.category - 1] = self.count
        return found

    def fingerprint(self) -> str:
        """Return a SHA-256 over the grid's size and all columns."""
        digest = hashlib.sha256(f"{self.grid.width} {self.grid.height}".encode())
        for column in (self.x, self.y, self.category, self.count):
            digest.update(np.ascontiguousarray(column, np.int32).tobytes())
        return digest.hexdigest()


def read_poi(path: Path, grid: Grid) -> Poi:
    """Read rows x,y,category,POI_count (CSV, in gzip or not), as HuMob 2024 has them.

    Raises UserError with one line: the file, the line, the field; a cell off the grid means a table of another grid.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, compression="infer")
    except (OSError, EOFError, ValueError) as error:  # a parser's and a decoder's errors are ValueErrors
        raise UserError(f"{path}: cannot be read as a table of points of interest ({error})".splitlines()[0]) from None
    if lacking := [name for name in COLUMNS if name not in frame]:
        raise UserError(
            f"{path}: has no column {', '.join(lacking)}; a table of points of interest has {','.join(COLUMNS)}"
        )
    columns = {name: _whole(path, name, frame[name].to_numpy(str)) for name in COLUMNS}
    _check(path, columns, grid)
    return Poi.build(grid, *(columns[name] for name in COLUMNS))


def _whole(path: Path, name: str, texts: np.ndarray) -> np.ndarray:
    """Return texts as int64. Raises UserError for the first that is no whole number of at most 9 digits."""
    right = np.char.isdigit(texts) & (np.char.str_len(texts) < 10)
    if not right.all():
        row = int(np.argmin(right))
        raise UserError(f"{path}: line {row + 2}: {name} = {str(texts[row])!r}; a whole number is needed")
    return texts.astype(np.int64)


def _check(path: Path, columns: dict[str, np.ndarray], grid: Grid) -> None:
    """Raise UserError for what is no cell, no category or no count, and for a cell's category that stands twice."""
    bounds = {"x": (1, grid.width), "y": (1, grid.height), "category": (1, CATEGORIES), "POI_count": (0, MOST)}
    for name, (least, most) in bounds.items():
        wrong = (columns[name] < least) | (columns[name] > most)
        if wrong.any():
            row = int(np.argmax(wrong))
            off = f"is outside the grid of {grid.width} x {grid.height}; this table is of another grid"
            why = off if name in ("x", "y") else f"must lie in {least}..{most}"
            raise UserError(f"{path}: line {row + 2}: {name} = {columns[name][row]} {why}")
    key = (columns["y"] << 32) | (columns["x"] << 16) | columns["category"]
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if len(twice):
        row = int(order[twice[0] + 1])
        raise UserError(f"{path}: line {row + 2}: this cell's category stands twice; keep one row of both")
