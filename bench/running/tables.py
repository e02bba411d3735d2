"""Tables as npz files, from the runner to a worker and back. Nothing is pickled."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from bench.data.poi import Poi
from bench.data.trajectories import Answers, Queries
from bench.data.world import Grid
from bench.evaluation.probabilities import AxisProbabilities, CellProbabilities, Probabilities
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


def write_poi(path: Path, poi: Poi) -> None:
    """Write a city's points of interest and its grid."""
    columns = {name: getattr(poi, name) for name in ("x", "y", "category", "count")}
    columns["grid"] = np.array([poi.grid.width, poi.grid.height, poi.grid.cell_km, poi.grid.slots], np.float64)

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)

    write_with(path, write)


def read_poi(path: Path) -> Poi:
    """Read a city's points of interest."""
    with np.load(path, allow_pickle=False) as data:
        width, height, cell_km, slots = data["grid"].tolist()
        return Poi(
            Grid(int(width), int(height), cell_km, int(slots)),
            *(data[name] for name in ("x", "y", "category", "count")),
        )


def write_answers(path: Path, answers: Answers) -> None:
    """Write a worker's answers; a language model's text as JSON."""
    text = json.dumps([[city, int(uid), said] for (city, uid), said in answers.raw.items()]).encode()
    columns = {name: np.asarray(getattr(answers, name)) for name in ("x", "y", "status")}
    if answers.ranked is not None:
        columns["ranked"] = answers.ranked
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, raw=np.frombuffer(text, np.uint8), **columns)


def read_answers(path: Path) -> Answers:
    """Read answers that a worker left: a regular file of arrays, never a link to another one.

    Raises OSError or ValueError; whether they answer the queries is for evaluation/answers.py to say.
    """
    with _opened(path) as file, np.load(file, allow_pickle=False) as data:
        raw = json.loads(data["raw"].tobytes())
        text = {(str(city), int(uid)): str(said) for city, uid, said in raw}
        return Answers(data["x"], data["y"], data["status"], text, data.get("ranked"))


def write_probabilities(path: Path, given: Probabilities) -> None:
    """Write a worker's probabilities."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **vars(given))


def read_probabilities(path: Path) -> Probabilities:
    """Read probabilities that a worker left, as :func:`read_answers` reads answers. Raises OSError or ValueError."""
    with _opened(path) as file, np.load(file, allow_pickle=False) as data:
        if "p" in data:
            return CellProbabilities(x=data["x"], y=data["y"], p=data["p"])
        return AxisProbabilities(x=data["x"], y=data["y"])


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, never through a link. Raises OSError or ValueError."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("what its process left is not a regular file")
        yield file
