"""bench data convert and bench run on bad input: what is said, the exit code, and that nothing half-made is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import app

HEAD = "user,time,lon,lat\n"
GOOD = "".join(f"a,2024-01-0{day} 0{hour}:00:00,116.4,39.9\n" for day in (7, 8) for hour in range(1, 5))


def bench(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command line in this process; return the exit code."""
    monkeypatch.setattr("sys.argv", ["bench", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0)


def convert(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, *words: str) -> int:
    """Write the file and convert it to city P, near Beijing."""
    (folder / "points.csv").write_text(text)
    given = words or ("--set", "timezone=Asia/Shanghai")
    return bench(monkeypatch, "data", "convert", folder / "points.csv", folder / "city_P.csv.gz", *given)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,2024-01-07 09:00:00,116.4,95\n", "a latitude beyond 90 or a longitude beyond 180 degrees"),
        ("a,2024-01-07 04:00:00,116.4,39.9\n", "the same user, time and place once more"),
        ("a,2024-01-07 04:00:00,116.5,39.9\n", "the same user and time at another place"),
        ("a,1970-01-01 00:00:00,116.4,39.9\n", "a time before 1980-01-06 or after "),
        ("a,2970-01-01 00:00:00,116.4,39.9\n", "a time before 1980-01-06 or after "),
        ("a,2024-01-07 03:30:00,121.5,31.2\n", "a jump: faster than 1200 km/h there and back"),
        ("b,2024-01-07 09:00:00,116.4,39.9\n", "a slot of a user with fewer than 2 slots or 1 days"),
        ("b,2024-01-07 09:00:00,110.4,35.9\n", "a point outside the extent"),
    ],
)
def test_a_bad_row_is_dropped_counted_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: str, reason: str
) -> None:
    assert convert(monkeypatch, tmp_path, HEAD + GOOD + rows) == 0
    told = json.loads((tmp_path / "city_P.report.json").read_text())
    ((found, count),) = told["dropped"].items()
    assert (found.startswith(reason), count, told["rows out"]) == (True, 1, 8)
    assert f"dropped: {found}" in capsys.readouterr().out


def test_unsorted_fixes_and_clocks_that_go_back_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = GOOD.splitlines(keepends=True)
    assert convert(monkeypatch, tmp_path, HEAD + "".join(lines[4:] + lines[:4])) == 0
    assert "noted: fixes that stand before an earlier one of their user in the file" in capsys.readouterr().out
    assert convert(monkeypatch, tmp_path, HEAD + GOOD + "a,2005-01-07 03:30:00,116.4,39.9\n") == 0
    assert "as of a clock that jumped; see earliest, latest" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("user,time,lon,lat\na,2024-01-07 01:00:00,39.9,116.4\n", (), "the columns seem swapped"),
        ("user,time,lon,lat\na,2024-01-07 01:00:00,40.7,-74.0\n", ("America/New_York",), "the columns seem swapped"),
        (HEAD + GOOD, ("America/New_York",), "far from the time zone America/New_York"),
        (
            HEAD + GOOD + "a,2024-01-09T01:00:00+08:00,116.4,39.9\n",
            (),
            "1 times have an offset from UTC and 8 have none",
        ),
        (HEAD + "a,1970-01-01 01:00:00,116.4,39.9\n", (), "no fix is left"),
        (HEAD, (), "holds no rows"),
        ("", (), "is empty"),
    ],
)
def test_what_cannot_be_mended_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    given = [part for zone in words or ("Asia/Shanghai",) for part in ("--set", f"timezone={zone}")]
    assert convert(monkeypatch, tmp_path, text, *given) == 2
    heard = capsys.readouterr()
    assert (heard.out, heard.err.count("\n"), heard.err.startswith("error: ")) == ("", 1, True)
    assert said in heard.err
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]


def test_a_table_of_another_grids_points_of_interest_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = "".join(f"{uid},{d},{t},{uid % 30 + 1},{d + 1}\n" for uid in range(40) for d in range(6) for t in (10, 20))
    (tmp_path / "city_P.csv").write_text("uid,d,t,x,y\n" + rows)
    (tmp_path / "city_P.yaml").write_text("width: 30\nheight: 30\ncell_km: 1.0\n")
    (tmp_path / "poi_city_P.csv").write_text("x,y,category,POI_count\n3,4,1,2\n199,4,1,2\n")
    (tmp_path / "mine.yaml").write_text(
        "{schema: 1, name: mine, about: POI., data: {cities: [P]}, window: {history: [0, 3], horizon: [4, 5]},\n"
        " splits: [{train: {cities: [P]}, test: [P]}], models: [{use: candidate_boosting, settings: {poi: true}}],\n"
        " metrics: {main: geobleu@grid}, users: {}, floor: false}\n"
    )
    words = ("--data", f"humob:{tmp_path}", "--out", tmp_path / "runs")
    assert bench(monkeypatch, "run", tmp_path / "mine.yaml", *words) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "poi_city_P.csv: line 3: x = 199 is outside the grid of 30 x 30; this table is of another grid" in last
    assert not list((tmp_path / "runs").rglob("*.json"))
