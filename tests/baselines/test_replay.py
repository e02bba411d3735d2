"""replay answers from a file: what stands there, what is masked, what is not there; faults are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.files.csvfiles import read_points
from bench.data.trajectories import INVALID, MISSING, OK, Queries
from bench.errors import UserError
from bench.evaluation.answers import check

ROWS = "uid,d,t,x,y\n7,60,3,10,20\n7,60,4,999,999\n8,61,0,30,40\n"


def ask(settings: dict[str, object], *keys: tuple[str, int, int, int]) -> list[tuple[int, int, int]]:
    """Return (status, x, y) for each (city, uid, d, t)."""
    cities = tuple(sorted({key[0] for key in keys}))
    city, uid, d, t = zip(*((cities.index(key[0]), *key[1:]) for key in keys), strict=True)
    queries = Queries.build(cities, city=city, uid=uid, d=d, t=t)  # type: ignore[arg-type]
    given = registry.make("replay", settings).predict(None, queries, Context())  # type: ignore[arg-type]
    return list(zip(given.status.tolist(), given.x.tolist(), given.y.tolist(), strict=True))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(ROWS)
    return path


def test_rows_are_ok_masked_ones_invalid_absent_ones_missing(file: Path) -> None:
    keys = [("B", 7, 60, 3), ("B", 7, 60, 4), ("B", 7, 60, 5), ("B", 8, 61, 0)]
    given = ask({"answers": file}, *keys)
    assert [status for status, _x, _y in given] == [OK, INVALID, MISSING, OK]
    assert (given[0][1:], given[3][1:]) == ((10, 20), (30, 40))


def test_each_city_has_its_own_file(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("7,60,3,50,60\n")
    settings = {"answers": {"B": str(file), "C": str(other)}}
    given = ask(settings, ("B", 7, 60, 3), ("C", 7, 60, 3), ("C", 8, 61, 0), ("D", 7, 60, 3))
    assert [status for status, _x, _y in given] == [OK, OK, MISSING, MISSING]
    assert [given[0][1:], given[1][1:]] == [(10, 20), (50, 60)]


def test_days_may_count_from_one(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("7,61,3,10,20\n")
    assert ask({"answers": path, "first_day": 1}, ("B", 7, 60, 3)) == [(OK, 10, 20)]


@pytest.mark.parametrize(
    ("first", "last", "first_day", "do"),
    [(61, 75, 0, 1), (1, 75, 0, 1), (60, 74, 1, 0), (60, 74, 0, None), (61, 75, 1, None), (1, 74, 0, None)],
)
def test_days_that_count_otherwise_than_said_are_no_answers(
    tmp_path: Path, first: int, last: int, first_day: int, do: int | None
) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"7,{first},3,10,20\n7,{last},3,,\n")
    if do is None:
        assert len(ask({"answers": path, "first_day": first_day}, ("B", 7, 60, 3))) == 1
        return
    with pytest.raises(UserError, match=f"it seems to count from {do}; set first_day: {do}"):
        ask({"answers": path, "first_day": first_day}, ("B", 7, 60, 3))


def test_what_is_known_of_the_model_reaches_the_record(file: Path) -> None:
    settings = {"answers": file, "model": "LP-BERT", "parameters": 2_456_880, "trained_on": ["A", "B"]}
    model = registry.make("replay", settings)
    assert model.facts() == {"model": "LP-BERT", "parameters": 2_456_880}
    assert model.seen() == ("A", "B")
    assert registry.make("replay", {"answers": file}).facts() == {}


def test_records_hold_name_and_content_and_no_folder(file: Path) -> None:
    settings = registry.make("replay", {"answers": {"B": file}}).settings
    before = settings.recorded()
    assert str(file.parent) not in str(before)
    assert before["answers"]["B"].startswith("answers.csv sha256:")
    moved = file.parent / "elsewhere"
    moved.mkdir()
    (moved / file.name).write_text(ROWS)
    assert registry.make("replay", {"answers": {"B": moved / file.name}}).settings.recorded() == before
    file.write_text(ROWS.replace("10,20", "10,21"))
    assert settings.recorded() != before, "another content is another model"


def test_a_city_without_a_file_is_skipped_with_the_reason(file: Path) -> None:
    split = SmallWorld.make().split
    model = registry.make("replay", {"answers": {"B": file}})
    assert model.skip(replace(split, test_city="B")) is None
    assert model.skip(replace(split, test_city="C")) == "no file of answers for city C (there are B)"
    assert registry.make("replay", {"answers": file}).skip(replace(split, test_city="C")) is None


def test_a_file_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"answers: .*no such file: .*gone\.csv"):
        registry.make("replay", {"answers": {"B": tmp_path / "gone.csv"}})


@pytest.mark.parametrize("x", ["", "nan", "NaN", "null", "-1", "0", "201", "999", "70000", "-1.0", "inf"])
def test_what_is_no_cell_is_an_invalid_answer(tmp_path: Path, x: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"uid,d,t,x,y\n7,60,3,10.0,20.0\n7,60,4,{x},20\n7,60,5,20,{x}\n")
    keys = [("B", 7, 60, t) for t in (3, 4, 5, 6)]
    given = ask({"answers": path}, *keys)
    assert [status for status, _x, _y in given] == [OK, INVALID, INVALID, MISSING]
    assert given[0][1:] == (10, 20)


CASES = Path(__file__).parent.parent / "data" / "cases" / "csv"


@pytest.mark.parametrize(
    ("name", "invalid"),
    [("plain.csv", 0), ("float_all.csv", 0), ("minus_one.csv", 2), ("blank.csv", 1), ("nan_float.csv", 1)],
)
def test_invalid_answers_are_counted_and_the_others_stand(name: str, invalid: int) -> None:
    asked = read_points(CASES / "plain.csv", city="B").visible
    model = registry.make("replay", {"answers": CASES / name})
    given = check(model.predict(None, asked.queries(), Context()), asked.queries(), Context().grid)  # type: ignore[arg-type]
    assert (given.status == INVALID).sum() == invalid
    assert (given.status == MISSING).sum() == 0
    good = given.status == OK
    assert (given.x[good] == asked.x[good]).all()
    assert (given.y[good] == asked.y[good]).all()


def test_parquet_answers_may_be_no_cells_too(tmp_path: Path) -> None:
    path = tmp_path / "answers.parquet"
    columns = {"uid": [7, 7, 7], "d": [60, 60, 60], "t": [3, 4, 5], "x": [10.0, np.nan, -1.0], "y": [20.0, 5.0, 5.0]}
    pd.DataFrame(columns).to_parquet(path)
    given = ask({"answers": path}, *(("B", 7, 60, t) for t in (3, 4, 5)))
    assert [status for status, _x, _y in given] == [OK, INVALID, INVALID]


@pytest.mark.parametrize(
    "row", ["7,60,48,10,20", "7,,4,10,20", "7,60,4,1.5,20", "7,60,4,home,20", "7,60,4,10", "nan,60,4,1,2"]
)
def test_a_bad_row_is_named(tmp_path: Path, row: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"uid,d,t,x,y\n7,60,3,10,20\n{row}\n")
    with pytest.raises(UserError, match="line 3"):
        ask({"answers": path}, ("B", 7, 60, 3))
