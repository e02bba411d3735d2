"""Where trajectories come from: ``synthetic``, ``humob:FOLDER``, ``points:FILE``. A source converts to our conventions.

To add one: a class below :class:`Source` in a file of its own, a line in ``KINDS``, and a case in :func:`open_source`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from bench.data.poi import Poi
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import World
from bench.errors import UserError, nearest

KINDS = {
    "synthetic": "seeded cities A-D that behave like the real ones; needs no files",
    "humob:FOLDER": "files of HuMob 2023, HuMob 2024, GIS Cup 2025, or plain city_X.csv.gz",
    "points:FILE": "raw points of any city (time, longitude, latitude), converted when they are read",
}


class Source(ABC):
    """One data set. Days from 0, cells from 1, masked rows apart; each city is loaded when asked for."""

    name: ClassVar[str]
    synthetic: ClassVar[bool]

    @property
    @abstractmethod
    def spec(self) -> str:
        """The source as records name it; no folder of this machine in it."""

    @abstractmethod
    def world(self, city: str) -> World:
        """Return the city's grid and calendar. Raises UserError."""

    @abstractmethod
    def cities(self) -> tuple[str, ...]:
        """Names of the cities that are here."""

    @abstractmethod
    def load(self, city: str) -> Trajectories:
        """Return all visible rows of one city (a table whose only city is this one). Raises UserError."""

    def masked(self, city: str) -> Queries:
        """Return the points that a challenge hides and whose truth is not here; none by default."""
        return Queries.empty((city,))

    def notes(self, city: str) -> tuple[str, ...]:
        """Return hints about one city's rows that a reader of results must see; none by default."""
        return ()

    def targets(self, city: str) -> tuple[int, ...]:
        """Return the uids of the official target users; none by default. They never train a model."""
        return ()

    def poi(self, city: str) -> Poi | None:
        """Return the city's points of interest, or None where there is no table. Raises UserError for a wrong one."""
        return None

    def folders(self) -> tuple[Path, ...]:
        """Return the files and folders that the data are read from; workers must not reach them."""
        return ()


def open_source(spec: str, *, seed: int = 0, options: dict[str, object] | None = None) -> Source:
    """Open ``synthetic`` (seed and options count), ``humob:FOLDER`` or ``points:FILE``. Raises UserError."""
    kind, _, rest = spec.partition(":")
    if kind == "synthetic":
        from bench.data.sources.synthetic import Synthetic

        return Synthetic(seed=seed, **(options or {}))  # type: ignore[arg-type]
    if kind == "humob":
        from bench.data.sources.humob import Humob

        return Humob(rest, **(options or {}))  # type: ignore[arg-type]
    if kind == "points":
        from bench.data.sources.points import PointsFile

        return PointsFile(rest, **(options or {}))  # type: ignore[arg-type]
    raise UserError(f"data source '{spec}' is not known{nearest(kind, KINDS)}")
