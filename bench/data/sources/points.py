"""``points:FILE``: raw points, converted when they are read; the city's name is the file's, or the option ``city``.

The other options are those of bench/data/points/settings.py, and ``layout``. The result is kept in the cache.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from bench.cache import cache_folder
from bench.data.cityfile import read_cityfile
from bench.data.files.csvfiles import read_points
from bench.data.points.conversion import convert_points, write_city
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.data.world import World
from bench.errors import UserError, nearest

CACHE_VERSION = 1


class PointsFile(Source):
    """One city made of a file of raw points, or of a folder of such files."""

    name: ClassVar[str] = "points"
    synthetic: ClassVar[bool] = False

    def __init__(
        self,
        path: str | Path,
        city: str | None = None,
        layout: str = "found",
        cache: str | Path | None = None,
        **options: Any,
    ) -> None:
        if not str(path):
            raise UserError("data source 'points:' names no file; write points:FILE")
        self.path = Path(path).expanduser()
        self.city = city or re.sub(r"[^A-Za-z0-9-]+", "-", self.path.name.split(".")[0]).strip("-") or "city"
        self._layout, self._options = layout, options
        self._cache = Path(cache) if cache is not None else cache_folder()
        self._made: tuple[Trajectories, World] | None = None

    @property
    def spec(self) -> str:
        """``points:`` and the city's name; the content is told by fingerprints."""
        return f"{self.name}:{self.city}"

    def world(self, city: str) -> World:
        """Return grid and calendar of the city. Raises UserError."""
        return self._city(city)[1]

    def cities(self) -> tuple[str, ...]:
        """The one city."""
        return (self.city,)

    def load(self, city: str) -> Trajectories:
        """Return the city's rows. Raises UserError."""
        return self._city(city)[0]

    def folders(self) -> tuple[Path, ...]:
        """Return where the points and the copies are."""
        return (self.path, self._cache)

    def _city(self, city: str) -> tuple[Trajectories, World]:
        if city != self.city:
            raise UserError(f"{self.path}: city '{city}' is not there{nearest(city, [self.city])}")
        if self._made is None:
            self._made = self._read()
        return self._made

    def _read(self) -> tuple[Trajectories, World]:
        """Read the city from the cache; convert it where need be."""
        copy = self._cache / f"points-{self._state()}" / f"city_{self.city}.parquet"
        described = copy.with_suffix(".yaml")
        if copy.exists() and described.exists():
            with suppress(UserError):  # a damaged cache is made again
                world = read_cityfile(described).world()
                return read_points(copy, city=self.city, grid=world.grid).visible, world
        made = convert_points(self.path, self.city, self._layout, self._options, where="data.options.")
        with suppress(UserError):  # no place for a cache: do without
            write_city(copy, made)
        return made.table, made.city.world()

    def _state(self) -> str:
        """Name made of the files' places, sizes and times and of the options: another of these gives another name."""
        files = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        with suppress(OSError):
            stats = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
            given = json.dumps(self._options, sort_keys=True, default=str)
            return hashlib.sha256(repr((CACHE_VERSION, self._layout, given, stats)).encode()).hexdigest()[:24]
        raise UserError(f"{self.path}: there is no such file or folder")
