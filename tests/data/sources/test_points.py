"""``points:FILE``: converted when read, kept in the cache, made again when the file or an option changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.sources import open_source
from bench.data.sources.points import PointsFile
from bench.errors import UserError


@pytest.fixture
def taxis(tmp_path: Path) -> Path:
    path = tmp_path / "My taxis (2024).csv"
    rows = [
        f"{cab},2024-01-{day:02} 0{hour}:10:00,116.{cab},39.9" for cab in (1, 2) for day in (7, 8) for hour in (1, 2)
    ]
    path.write_text("\n".join(["taxi,time,lon,lat", *rows]))
    return path


def test_it_is_one_city_of_the_files_name(taxis: Path, tmp_path: Path) -> None:
    source = open_source(f"points:{taxis}", options={"timezone": "Asia/Shanghai", "cache": tmp_path / "cache"})
    assert source.cities() == ("My-taxis-2024",)
    assert source.spec == "points:My-taxis-2024"
    assert len(source.load("My-taxis-2024").users) == 2
    with pytest.raises(UserError, match="city 'B' is not there"):
        source.load("B")


def test_the_cache_gives_the_same_and_follows_file_and_options(taxis: Path, tmp_path: Path) -> None:
    def opened(**options: object) -> PointsFile:
        given = {"timezone": "Asia/Shanghai", "city": "P", "slot_minutes": 60} | options
        return PointsFile(taxis, cache=tmp_path / "cache", **given)  # type: ignore[arg-type]

    made = opened().load("P")
    kept = list((tmp_path / "cache").rglob("city_P.parquet"))
    assert len(kept) == 1
    assert opened().load("P").fingerprint() == made.fingerprint()
    assert opened(slot_minutes=30).load("P").t.max() == 2 * made.t.max()
    with taxis.open("a") as file:
        file.write("\n3,2024-01-07 01:10:00,116.1,39.9\n3,2024-01-08 01:10:00,116.1,39.9\n")
    assert len(opened().load("P").users) == 3
    kept[0].write_bytes(b"PAR1 damaged")
    assert len(opened().load("P").users) == 3


def test_faults_name_the_option_and_the_file(taxis: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.options\.cellm: is no setting"):
        PointsFile(taxis, cache=tmp_path, cellm=3).load("My-taxis-2024")
    with pytest.raises(UserError, match="there is no such file"):
        PointsFile(tmp_path / "none.csv", cache=tmp_path).load("none")
    with pytest.raises(UserError, match="names no file"):
        open_source("points:")
