"""Tables as npz files, for the way from the runner to a worker. Nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np

from bench.data.trajectories import Queries
from bench.files import write_with

Table = TypeVar("Table", bound=Queries)


def write_table(path: Path, table: Queries) -> None:
    """Write a table's columns and city names."""
    columns = {name: getattr(table, name) for name in table.columns()}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, cities=np.array(table.cities, dtype=np.str_), **columns)

    write_with(path, write)


def read_table(path: Path, kind: type[Table]) -> Table:
    """Read a table of the given kind."""
    with np.load(path, allow_pickle=False) as data:
        return kind(tuple(str(name) for name in data["cities"]), **{name: data[name] for name in kind.columns()})
