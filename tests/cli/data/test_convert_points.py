"""bench data convert on raw points."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.app import app
from bench.cli.data.points import holds_points
from bench.data.cityfile import read_cityfile
from bench.data.sources import open_source
from bench.data.sources.synthetic import Synthetic
from bench.errors import UserError

HEAD = "user,time,lon,lat\n"
ROWS = "".join(f"a,2024-01-0{day} 0{hour}:00:00,116.4,39.9\n" for day in (7, 8) for hour in (1, 2))


def convert(*words: object) -> str:
    result = CliRunner().invoke(app, ["data", "convert", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_points_become_a_city_that_a_source_reads(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(HEAD + ROWS + "a,2024-01-07 03:00:00,116.4,95\n")
    target = tmp_path / "cities" / "city_P.csv.gz"
    told = convert(tmp_path / "points.csv", target, "--set", "timezone=Asia/Shanghai", "--set", "cell_m=1000")
    assert "dropped: a latitude beyond 90" in told
    report = json.loads((tmp_path / "cities" / "city_P.report.json").read_text())
    assert (report["rows in"], report["rows out"], sum(report["dropped"].values())) == (5, 4, 1)
    assert read_cityfile(tmp_path / "cities" / "city_P.yaml").cell_km == 1.0
    assert len(open_source(f"humob:{tmp_path / 'cities'}").load("P")) == 4
    assert "2024-01-07" not in target.with_name("city_P.yaml").read_text()


def test_the_same_points_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(HEAD + ROWS)
    for name in ("one", "two"):
        convert(tmp_path / "points.csv", tmp_path / name / "city_P.csv.gz", "--set", "timezone=Asia/Shanghai")
    for name in ("city_P.csv.gz", "city_P.yaml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_is_not_possible_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(HEAD + ROWS)
    with pytest.raises(UserError, match="--set cellm: is no setting"):
        convert(tmp_path / "points.csv", tmp_path / "city_P.csv", "--set", "cellm=3")
    with pytest.raises(UserError, match="name it city_NAME"):
        convert(tmp_path / "points.csv", tmp_path / "p.csv", "--set", "timezone=Asia/Shanghai")
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]


def test_made_cities_may_be_of_another_kind_and_grid(tmp_path: Path) -> None:
    words = ["--users", "3", "--set", "kinds.C=car", "--set", "cell_km=1", "--set", "days=9"]
    result = CliRunner().invoke(app, ["data", "make", str(tmp_path), *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    made, asked = open_source(f"humob:{tmp_path}"), Synthetic(users=3, days=9, kinds={"C": "car"}, cell_km=1)
    for city in ("A", "C"):
        assert made.load(city).fingerprint() == asked.load(city).fingerprint()
        assert made.world(city) == asked.world(city)
    with pytest.raises(UserError, match="did you mean 'car'"):
        CliRunner().invoke(app, ["data", "make", str(tmp_path), "--set", "kinds.C=cars"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (HEAD, True),
        ("taxi;timestamp;x;y\n", True),
        ("uid,d,t,x,y\n", False),
        ("uid,d,t,x\n", False),
        ("1,2,3,4,5\n", False),
        ("[]", False),
    ],
)
def test_names_of_columns_tell_points_from_rows(tmp_path: Path, text: str, points: bool) -> None:
    (tmp_path / "f.csv").write_text(text)
    assert holds_points(tmp_path / "f.csv") is points
