from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.convert import convert, write_points
from bench.data.files.blocks import Points
from bench.data.files.csvfiles import read_points
from bench.data.trajectories import Queries, Trajectories
from bench.errors import UserError

ENDINGS = (".csv", ".csv.gz", ".parquet")


def same(one: Points, other: Points) -> bool:
    return (
        one.visible.fingerprint() == other.visible.fingerprint()
        and one.masked.fingerprint() == other.masked.fingerprint()
    )


@settings(deadline=None, max_examples=40)
@given(
    keys=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 74), st.integers(0, 47)), min_size=1, unique=True),
    seed=st.integers(0, 99),
    days=st.tuples(st.sampled_from([0, 1]), st.sampled_from([0, 1])),
)
def test_any_rows_come_back_after_a_round_through_all_formats(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int, int]], seed: int, days: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    columns = dict(zip(("uid", "d", "t"), np.array(keys).T, strict=True)) | {"city": np.zeros(len(keys))}
    cells = {name: rng.integers(1, 201, len(keys)) for name in "xy"}
    hidden = rng.random(len(keys)) < 0.3
    points = Points(
        Trajectories.build(("B",), **{n: c[~hidden] for n, c in (columns | cells).items()}),
        Queries.build(("B",), **{n: c[hidden] for n, c in columns.items()}),
    )
    folder = tmp_path_factory.mktemp("convert")
    paths = [folder / f"{i}{ending}" for i, ending in enumerate((*ENDINGS, *ENDINGS[::-1]))]
    write_points(paths[0], points, first_day=days[0])
    assert same(read_points(paths[0], city="B", first_day=days[0], masked=True), points)
    for source, target in pairwise(paths):
        assert convert(source, target, from_day=days[0], to_day=days[1]) == len(keys)
        days = days[::-1]
        assert same(read_points(target, city="B", first_day=days[0], masked=True), points)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("uid,d,t,x,y\n1,0,0,5,6\n")
    for name in ("one.csv.gz", "two.csv.gz"):
        convert(tmp_path / "a.csv", tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()


@pytest.mark.parametrize(
    ("text", "name", "options", "message"),
    [
        ("1,0,0,5,6\n", "b.txt", {}, "the ending must be"),
        ("1,0,0,5,6\n", "b.csv", {"to_day": 2}, "--to-day 2: the first day is 0"),
        ("1,0,0,5,6\n", "b.csv", {"from_day": 1}, "line 1: d = 0"),
        ("1,0,48,5,6\n", "b.csv", {}, "line 1: t = 48"),
    ],
)
def test_what_cannot_be_converted_leaves_no_file(
    tmp_path: Path, text: str, name: str, options: dict[str, int], message: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        convert(tmp_path / "a.csv", tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_target_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,0,0,5,6\n")
    with pytest.raises(UserError, match="cannot be written"):
        convert(tmp_path / "a.csv", tmp_path / "a.csv" / "b.csv")
