"""Cells -> points -> convert gives the same cells, in degrees and in metres, whatever the grid and the slots."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.cityfile import CityFile, FrameSpec, write_cityfile
from bench.data.files.csvfiles import read_points
from bench.data.points.conversion import convert_points
from bench.data.points.frame import Frame, frame_of
from bench.data.trajectories import Trajectories
from bench.data.world import World

SUNDAY = pd.Timestamp("2023-01-01")
LAEA = "+proj=laea +lat_0=35.2 +lon_0=137 +datum=WGS84 +units=m"


def as_points(table: Trajectories, frame: Frame, slots: int, timezone: str | None, path: Path, seed: int) -> None:
    """Write each row as a fix in the middle of its cell at some moment of its slot, in a random order."""
    draw = np.random.default_rng(seed)
    minutes = 1440 // slots
    moment = draw.integers(0, minutes * 60, len(table))
    seconds = table.d.astype(np.int64) * 86400 + table.t.astype(np.int64) * minutes * 60 + moment
    when = pd.Series(SUNDAY + pd.to_timedelta(seconds, unit="s"))
    if timezone:
        when = when.dt.tz_localize(timezone).dt.tz_convert("UTC").dt.tz_localize(None)
    east, north = frame.centres(table.x, table.y)
    names = ("lon", "lat") if frame.crs else ("x", "y")
    points = pd.DataFrame(
        {"user": table.uid, "time": when.dt.strftime("%Y-%m-%d %H:%M:%S"), names[0]: east, names[1]: north}
    )
    points.sample(frac=1, random_state=seed).to_csv(path, index=False)


def check(
    table: Trajectories, city: CityFile, timezone: str | None, folder: Path, seed: int = 0, **options: object
) -> None:
    write_cityfile(folder / "city_old.yaml", city)
    frame = frame_of(folder / "city_old.yaml")
    as_points(table, frame, city.slots_per_day, timezone, folder / "points.csv", seed)
    zone: dict[str, object] = {"timezone": timezone} if timezone else {"time_is": "local"}
    given_ = zone | {
        "grid_of": str(folder / "city_old.yaml"),
        "slot_minutes": 1440 // city.slots_per_day,
        "min_rows": 1,
    }
    made = convert_points(folder / "points.csv", table.cities[0], "found", given_ | {"max_kmh": None} | options)
    assert made.table.fingerprint() == table.fingerprint()
    assert made.city.world().grid == city.world().grid


@st.composite
def cities(draw: st.DrawFn) -> tuple[Trajectories, CityFile, str | None]:
    width, height, slots = draw(st.integers(1, 300)), draw(st.integers(1, 300)), draw(st.sampled_from((24, 48, 96)))
    cell = draw(st.sampled_from((0.1, 0.5, 2.0)))
    crs = draw(st.sampled_from((None, LAEA, "EPSG:32653")))
    left, top = (500_000.0, 3_900_000.0) if crs == "EPSG:32653" else (-50_000.0, 50_000.0)
    key = st.tuples(st.integers(0, 5), st.integers(0, 40), st.integers(0, slots - 1))
    keys = sorted(draw(st.lists(key, min_size=1, max_size=40, unique=True)))
    x = draw(st.lists(st.integers(1, width), min_size=len(keys), max_size=len(keys)))
    y = draw(st.lists(st.integers(1, height), min_size=len(keys), max_size=len(keys)))
    if keys[0] != (0, 0, 0):  # somebody is there on day 0, so that it is found again
        keys, x, y = [(0, 0, 0), *keys], [1, *x], [1, *y]
    uid, d, t = np.array(keys).T
    table = Trajectories.build(
        ("X",), city=np.zeros(len(keys), np.int8), uid=uid, d=d, t=t, x=np.array(x), y=np.array(y)
    )
    city = CityFile(
        width=width, height=height, cell_km=cell, slots_per_day=slots, frame=FrameSpec(crs=crs, left=left, top=top)
    )
    return table, city, draw(st.sampled_from((None, "UTC", "Asia/Tokyo", "Asia/Kolkata")))


@given(cities(), st.integers(0, 5), st.sampled_from(("last", "majority", "longest")))
@settings(max_examples=25)
def test_any_cells_come_back(made: tuple[Trajectories, CityFile, str | None], seed: int, rule: str) -> None:
    table, city, timezone = made
    timezone = timezone if timezone != "UTC" or city.frame is None or city.frame.crs is None else "Asia/Tokyo"
    with tempfile.TemporaryDirectory() as folder:
        check(table, city, timezone, Path(folder), seed, rule=rule)


def test_a_real_citys_cells_come_back(humob100: Path, tmp_path: Path) -> None:
    table = read_points(humob100 / "city_B.csv.gz", city="B").visible
    frame = FrameSpec(crs=LAEA, left=-50_000, top=50_000)
    world = CityFile.of(World())
    check(table, CityFile(**world.model_dump(exclude={"frame"}), frame=frame), "Asia/Tokyo", tmp_path)


def test_a_grid_without_a_place_is_refused(tmp_path: Path) -> None:
    write_cityfile(tmp_path / "city_old.yaml", CityFile())
    with pytest.raises(Exception, match="nobody knows where its grid lies"):
        frame_of(tmp_path / "city_old.yaml")
