"""Points of interest: read strictly, a table of another grid refused in one line; drawn alike for a seed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.poi import CATEGORIES, Poi, read_poi
from bench.data.sources import open_source
from bench.data.sources.synthetic import Synthetic
from bench.data.world import Grid
from bench.errors import UserError

HEAD = "x,y,category,POI_count\n"


def write(folder: Path, text: str, name: str = "poi_city_B.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["poi_city_B.csv", "poi_city_B.csv.gz"])
def test_a_table_is_read_whatever_the_order_of_its_rows(tmp_path: Path, name: str) -> None:
    poi = read_poi(write(tmp_path, HEAD + "2,1,85,4\n1,1,3,2\n", name), Grid())
    counts = poi.counts()
    assert counts.shape == (200, 200, CATEGORIES)
    assert (counts[0, 1, 84], counts[0, 0, 2], counts.sum()) == (4, 2, 6)
    again = read_poi(write(tmp_path, HEAD + "1,1,3,2\n2,1,85,4\n", name), Grid())
    assert again.fingerprint() == poi.fingerprint()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,1,3,2\n201,1,3,2\n", "line 3: x = 201 is outside the grid of 200 x 200; this table is of another grid"),
        ("1,0,3,2\n", "line 2: y = 0 is outside the grid"),
        ("1,1,86,2\n", "line 2: category = 86 must lie in 1..85"),
        ("1,1,3,-2\n", "line 2: POI_count = '-2'; a whole number is needed"),
        ("1,1,,2\n", "line 2: category = ''; a whole number"),
        ("1,1,3.5,2\n", "line 2: category = '3.5'"),
        ("1,1,3,2\n1,2,3,2\n1,1,3,9\n", "line 4: this cell's category stands twice"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(tmp_path: Path, rows: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        read_poi(write(tmp_path, HEAD + rows), Grid())
    assert told in str(error.value)
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"\xff\xfe\x00\x01", b'x,y,category,POI_count\n"1,1,1\n1,2'])
def test_what_is_no_table_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "poi_city_B.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_poi(path, Grid())
    assert "\n" not in str(error.value)


@given(st.sets(st.tuples(st.integers(1, 37), st.integers(1, 61), st.integers(1, CATEGORIES)), min_size=1, max_size=30))
def test_counts_and_columns_say_the_same(keys: set[tuple[int, int, int]]) -> None:
    x, y, category = np.array(sorted(keys)).T
    poi = Poi.build(Grid(37, 61), x, y, category, np.arange(len(x)) + 1)
    counts = poi.counts()
    assert [counts[b - 1, a - 1, c - 1] for a, b, c in sorted(keys)] == list(range(1, len(x) + 1))
    assert counts.sum() == poi.count.sum()


def test_a_source_finds_its_table_and_says_so_where_there_is_none(tmp_path: Path) -> None:
    for city in "BC":
        (tmp_path / f"city_{city}.csv").write_text("uid,d,t,x,y\n1,0,1,1,1\n")
    write(tmp_path, HEAD + "1,1,3,2\n")
    source = open_source(f"humob:{tmp_path}")
    table = source.poi("B")
    assert table is not None
    assert table.count.tolist() == [2]
    assert source.poi("C") is None


def test_synthetic_tables_depend_on_seed_and_kind_and_not_on_users() -> None:
    one, two = Synthetic(seed=1, users=5), Synthetic(seed=1, users=9, kinds={"D": "town"})
    assert one.poi("B").fingerprint() == two.poi("B").fingerprint()
    assert one.poi("D").fingerprint() != two.poi("D").fingerprint()
    assert one.poi("B").fingerprint() != Synthetic(seed=2, users=5).poi("B").fingerprint()


def test_synthetic_points_of_interest_stand_where_people_are() -> None:
    """As many as in a real city; twice as many of the people's points as by chance lie near one."""
    source = Synthetic(seed=1, users=60)
    poi, table = source.poi("B"), source.load("B")
    inside = poi.counts().sum(axis=2)
    assert 120_000 < inside.sum() < 140_000
    visited = inside[table.y - 1, table.x - 1].mean()
    assert visited > 2 * inside.mean()
