"""``humob:FOLDER``: the files of HuMob 2023, HuMob 2024 and GIS Cup 2025 under their real names, or plain city_X files.

Each city is read once into a Parquet cache (outside the project), where days count from 0 and known truth is filled in.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.cache import cache_folder
from bench.data.cityfile import beside, read_cityfile
from bench.data.convert import write_points
from bench.data.files.blocks import Points
from bench.data.files.csvfiles import read_points
from bench.data.files.hints import days_from_one
from bench.data.files.rows import MASK
from bench.data.poi import Poi, read_poi
from bench.data.sources import Source
from bench.data.sources.challenges import PLAIN_FILES, CityFiles, find_files
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid, World
from bench.errors import UserError, nearest

CACHE_VERSION = 1


class Humob(Source):
    """Challenge files in a folder. cache: where Parquet copies go; by default this user's cache folder."""

    name: ClassVar[str] = "humob"
    synthetic: ClassVar[bool] = False

    def __init__(self, folder: str | Path, cache: str | Path | None = None) -> None:
        if not str(folder):
            raise UserError("data source 'humob:' names no folder; write humob:FOLDER")
        self.folder = Path(folder).expanduser()
        self.challenge, self.files = find_files(self.folder)
        self._cache = Path(cache) if cache is not None else cache_folder()
        self._points: dict[str, Points] = {}

    @property
    def spec(self) -> str:
        """``humob:`` and the challenge's name (``plain`` for city_X files); the content is told by fingerprints."""
        return f"{self.name}:{self.challenge.name}"

    def world(self, city: str) -> World:
        """Return a city's grid and calendar: as ``city_X.yaml`` beside a plain file says, else the challenge's."""
        described = beside(self._known(city).main)
        if self.challenge is PLAIN_FILES and described.exists():
            return read_cityfile(described).world()
        return World(Grid(), self.challenge.calendar)

    def cities(self) -> tuple[str, ...]:
        """Names of the cities whose files are in the folder."""
        return tuple(self.files)

    def load(self, city: str) -> Trajectories:
        """Return all rows with a cell, masked ones too if their truth is here. Raises UserError."""
        return self._city(city).visible

    def masked(self, city: str) -> Queries:
        """Return the masked points whose truth is not here."""
        return self._city(city).masked

    def notes(self, city: str) -> tuple[str, ...]:
        """Say so if the days of a plain file seem to count from 1."""
        plain = self.challenge is PLAIN_FILES
        return tuple(days_from_one(self.load(city), f"city {city}")) if plain else ()

    def targets(self, city: str) -> tuple[int, ...]:
        """Return the official target users; in plain files, those with masked points."""
        if self.challenge is PLAIN_FILES:
            return tuple(int(uid) for uid in np.unique(self.masked(city).uid))
        self._known(city)
        return tuple(self.challenge.targets.get(city, ()))

    def poi(self, city: str) -> Poi | None:
        """Read ``poi_city_X.csv`` or HuMob 2024's ``POIdata_cityX.csv``, in gzip or not; None where neither is here."""
        names = [f"{name}{end}" for name in (f"poi_city_{city}.csv", f"POIdata_city{city}.csv") for end in ("", ".gz")]
        path = next((self.folder / name for name in names if (self.folder / name).is_file()), None)
        return read_poi(path, self.world(city).grid) if path else None

    def folders(self) -> tuple[Path, ...]:
        """Return the folder of the challenge's files."""
        return (self.folder,)

    def _known(self, city: str) -> CityFiles:
        if city not in self.files:
            raise UserError(f"{self.folder}: city '{city}' is not there{nearest(city, self.files)}")
        return self.files[city]

    def _city(self, city: str) -> Points:
        if city not in self._points:
            self._points[city] = self._read(city, self._known(city))
        return self._points[city]

    def _read(self, city: str, files: CityFiles) -> Points:
        """Read a city from its cache; make or mend the cache where need be."""
        copy = self._cache / _cache_name(files, self.spec)
        if copy.exists():
            with suppress(UserError):  # a damaged cache is made again
                grid = self.world(city).grid
                return read_points(copy, city=city, masked=max(grid.width, grid.height) < MASK, grid=grid)
        points = self._parse(city, files)
        with suppress(OSError):  # no place for a cache: do without
            write_points(copy, points)
            for old in set(self._cache.glob(f"{copy.name.rsplit('-', 1)[0]}-*.parquet")) - {copy}:
                old.unlink(missing_ok=True)
        return points

    def _parse(self, city: str, files: CityFiles) -> Points:
        plain, grid = self.challenge is PLAIN_FILES, self.world(city).grid
        may_mask = max(grid.width, grid.height) < MASK  # else 999 is a cell
        masked = may_mask if plain else self.challenge.targets.get(city, False)
        first_day = self.challenge.first_day
        points = read_points(files.main, city=city, first_day=first_day, masked=masked, grid=grid)
        if files.truth is None or not len(points.masked):
            return points
        complete = read_points(files.truth, city=city, first_day=first_day).visible
        return fill(points, complete, files.truth)


def fill(points: Points, complete: Trajectories, path: Path) -> Points:
    """Give masked points the cells that ``complete`` (read from ``path``) has for them.

    Raises UserError if the two files disagree about the target users' visible rows: then they are not of one data set.
    """
    targets = np.unique(points.masked.uid)
    seen = points.visible.take(np.isin(points.visible.uid, targets))
    truth = complete.take(np.isin(complete.uid, targets))
    row, both = _match(seen, truth)
    differ = (truth.x[row[both]] != seen.x[both]) | (truth.y[row[both]] != seen.y[both])
    if differ.any():
        raise UserError(
            f"{path}: {int(differ.sum())} of {int(both.sum())} rows of target users differ from the challenge's file; "
            "it is the truth of other data: take it out of the folder"
        )
    row, known = _match(points.masked, truth)
    hidden = points.masked
    columns = {name: getattr(hidden, name)[known] for name in Queries.columns()}
    filled = Trajectories(hidden.cities, **columns, x=truth.x[row[known]], y=truth.y[row[known]])
    return Points(Trajectories.concat([points.visible, filled]), hidden.take(~known))


def _match(wanted: Queries, table: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Return for each wanted row the row of the table with its (uid, d, t), and whether there is one."""
    if not len(table):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    keys = [(rows.uid.astype(np.int64) << 32) | (rows.d.astype(np.int64) << 16) | rows.t for rows in (wanted, table)]
    row = np.minimum(np.searchsorted(keys[1], keys[0]), len(table) - 1)
    return row, keys[1][row] == keys[0]


def _cache_name(files: CityFiles, spec: str) -> str:
    """Name made of where the files are, and of their sizes and times: a changed file gets another name."""
    stats = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files.paths]
    place = hashlib.sha256("\n".join(str(path.resolve()) for path in files.paths).encode()).hexdigest()[:12]
    state = hashlib.sha256(repr((CACHE_VERSION, spec, stats)).encode()).hexdigest()[:12]
    return f"{files.main.name.split('.')[0]}-{place}-{state}.parquet"
