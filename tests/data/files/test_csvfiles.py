from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.files import csvfiles
from bench.data.files.blocks import Points
from bench.data.files.csvfiles import read_points
from bench.data.files.rows import COLUMNS
from bench.errors import UserError

HEAD = "uid,d,t,x,y\n"


def read(path: Path, text: str | bytes, **options: object) -> Points:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_points(path, city="B", **options)  # type: ignore[arg-type]


def faults(path: Path, text: str | bytes, **options: object) -> list[str]:
    """The faults of a file, without its path."""
    with pytest.raises(UserError) as caught:
        read(path, text, **options)
    assert all(message.startswith(str(path)) for message in caught.value.messages)
    assert not any("\n" in message for message in caught.value.messages)
    return [message.removeprefix(str(path)).lstrip(",: ") for message in caught.value.messages]


def rows(points: Points) -> list[tuple[int, ...]]:
    table = points.visible
    return list(zip(*(getattr(table, name).tolist() for name in COLUMNS), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "city_B.csv"


@pytest.mark.parametrize(
    "text",
    [
        "1,0,5,10,20\n2,3,47,200,1\n",
        HEAD + "1,0,5,10,20\n2,3,47,200,1\n",
        HEAD + "1,0,5,10,20\n2,3,47,200,1",  # no line end at the end
        "\ufeff" + HEAD + "1,0,5,10,20\n2,3,47,200,1\n",
        "\ufeff1,0,5,10,20\n2,3,47,200,1\n",
        "uid,d,t,x,y\r\n1,0,5,10,20\r\n2,3,47,200,1\r\n",
        HEAD + "1,0,5,10,20\n\n\r\n2,3,47,200,1\n\n",
        "D, T ,x,UID,y,note\n0,5,10,1,20,home\n3,47,200,2,1,0x10\n",
        '"uid","d","t","x","y"\n"1","0","5","10","20"\n2, 3,47,200,1\n',
        HEAD + "2,3,47,200,1\n1,0,5,10,20\n",  # unsorted
    ],
)
def test_legal_spellings_of_the_same_rows(path: Path, text: str) -> None:
    points = read(path, text)
    assert rows(points) == [(1, 0, 5, 10, 20), (2, 3, 47, 200, 1)]
    assert points.visible.cities == ("B",)
    assert len(points.masked) == 0


BAD = {
    "missing column": ("uid,d,t,x\n1,0,0,1\n", ["line 1: column 'y' is missing; the columns are uid,d,t,x"]),
    "column twice": (
        "uid,d,t,x,y,x\n1,0,0,1,1,1\n",
        ["line 1: column 'x' stands 2 times; the columns are uid,d,t,x,y,x"],
    ),
    "four fields, no header": ("1,0,0,1\n", ["line 1: 4 fields; without a header there must be 5: uid,d,t,x,y"]),
    "text in a number": (HEAD + "1,0,0,1,1\n1,0,1,a,1\n", ["line 3: x is 'a', not a whole number"]),
    "text in the first row": ("one,0,0,1,1\n", ["line 1: uid is 'one', not a whole number"]),
    "fraction": (HEAD + "1,0,0,1.5,1\n", ["line 2: x is '1.5', not a whole number"]),
    "hexadecimal": (HEAD + "1,0,0,0x10,1\n", ["line 2: x is '0x10', not a whole number"]),
    "NaN": (
        HEAD + "1,0,0,nan,NaN\n",
        ["line 2: x is 'nan', not a whole number", "line 2: y is 'NaN', not a whole number"],
    ),
    "blank": (HEAD + "1,,0,1,1\n", ["line 2: d is blank; give a whole number or leave the row out"]),
    "too few fields": (HEAD + "1,0,0,1\n", ["line 2: 4 fields instead of 5"]),
    "too many fields": (HEAD + "1,0,0,1,1\n1,0,1,1,1,\n", ["line 3: 6 fields instead of 5"]),
    "x = 0": (HEAD + "1,0,0,0,1\n", ["line 2: x = 0 is outside 1..200; cells count from 1"]),
    "y = 201": (HEAD + "1,0,0,1,201\n", ["line 2: y = 201 is outside 1..200"]),
    "999": (
        HEAD + "1,0,0,999,999\n",
        ["line 2: x and y = 999 (masked), which is legal in challenge files only; give a real cell"],
    ),
    "t = 48": (HEAD + "1,0,48,1,1\n", ["line 2: t = 48 is outside 0..47; timeslots count from 0"]),
    "negative d": (
        HEAD + "1,-1,0,1,1\n",
        ["line 2: d = -1 is outside 0..9999; days count from 0 in this file's convention"],
    ),
    "negative uid": (HEAD + "-1,0,0,1,1\n", ["line 2: uid = -1 is outside 0..2147483647"]),
    "beyond int16": (HEAD + "1,0,0,70000,1\n", ["line 2: x = 70000 is outside 1..200"]),
    "beyond int32": (HEAD + "3000000000,0,0,1,1\n", ["line 2: uid = 3000000000 is outside 0..2147483647"]),
    "duplicate": (
        HEAD + "1,0,0,1,1\n1,0,1,1,1\n\n1,0,0,2,2\n",
        ["line 5: uid 1, d 0, t 0 stands in line 2 already; keep one of them"],
    ),
    "several at once": (
        HEAD + "1,0,48,0,1\n1,0,1,1,1\n1,0,a,1,1\n",
        [
            "line 2: t = 48 is outside 0..47; timeslots count from 0",
            "line 2: x = 0 is outside 1..200; cells count from 1",
            "line 4: t is 'a', not a whole number",
        ],
    ),
    "empty": ("", ["is empty; give rows uid,d,t,x,y"]),
    "header alone": (HEAD, ["holds no rows; give at least one row uid,d,t,x,y"]),
    "line break inside quotes": (
        "uid,d,t,x,y,note\n1,0,0,1,1,'a\n".replace("'", '"') + 'b"\n',
        ["line 3: 1 fields instead of 6"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_each_fault_is_one_line_with_its_place(path: Path, text: str, expected: list[str]) -> None:
    assert faults(path, text) == expected


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_the_same_in_gzip(tmp_path: Path, text: str, expected: list[str]) -> None:
    if text:
        assert faults(tmp_path / "a.csv.gz", gzip.compress(text.encode())) == expected


@pytest.mark.parametrize(
    "content",
    [b"\x00\xff\xfe" * 50, b"PAR1\n\n\r\r,", b"a\rb\rc", b'"' * 70_000, b"1" * 70_000, b"1,2,3,4,5\r2,2,3,4,5\r"],
)
def test_no_text_of_rows_is_refused_without_a_traceback(path: Path, content: bytes) -> None:
    assert faults(path, content)


def test_days_may_count_from_one(path: Path) -> None:
    assert rows(read(path, HEAD + "1,1,0,1,1\n1,75,0,1,1\n", first_day=1)) == [(1, 0, 0, 1, 1), (1, 74, 0, 1, 1)]
    expected = ["line 2: d = 0 is outside 1..10000; days count from 1 in this file's convention"]
    assert faults(path, HEAD + "1,0,0,1,1\n", first_day=1) == expected
    twice = faults(path, HEAD + "1,1,0,1,1\n1,1,0,1,1\n", first_day=1)
    assert twice == ["line 3: uid 1, d 1, t 0 stands in line 2 already; keep one of them"]  # the file's own day


def test_masked_rows_stand_apart(path: Path) -> None:
    text = HEAD + "1,0,0,1,1\n1,60,0,999,999\n2,0,0,5,5\n"
    for masked in (True, range(1, 2)):
        points = read(path, text, masked=masked)
        assert rows(points) == [(1, 0, 0, 1, 1), (2, 0, 0, 5, 5)]
        assert points.masked.uid.tolist() == [1]
        assert points.masked.d.tolist() == [60]


def test_only_target_users_are_masked_and_both_coordinates_are(path: Path) -> None:
    text = HEAD + "1,0,0,999,999\n2,0,0,999,5\n3,0,0,0,201\n"
    assert faults(path, text, masked=range(2, 5)) == [
        "line 2: x and y are 999 (masked), but uid 1 is no target user (2..4)",
        "line 3: x = 999 but not y: a masked cell has 999 in both",
        "line 4: x = 0 is outside 1..200; cells count from 1",
        "line 4: y = 201 is outside 1..200",
    ]


def test_many_faults_are_cut_short_unless_all_are_asked(path: Path) -> None:
    text = HEAD + "".join(f"{uid},0,48,1,1\n" for uid in range(30))
    short = faults(path, text)
    assert len(short) == 21
    assert short[-1] == "stopped after 20 faults; there may be more"
    assert len(faults(path, text, most_faults=None)) == 30
    twice = faults(path, HEAD + "".join(f"{uid},0,0,1,1\n" for uid in range(30)) * 2)
    assert (len(twice), twice[-1]) == (21, "10 more rows stand twice")


@pytest.mark.parametrize("keep", [5, 30, 200, -9, -1])
def test_truncated_gzip(tmp_path: Path, keep: int) -> None:
    whole = gzip.compress((HEAD + "".join(f"{uid},0,0,{uid % 200 + 1},1\n" for uid in range(500))).encode())
    (fault,) = faults(tmp_path / "a.csv.gz", whole[:keep])
    assert fault == "the gzip stream ends too early (truncated); copy or download it again"


@pytest.mark.parametrize("byte", [2, 12, 40, -6, -2])  # in the header, the stream, the checksum, the length
def test_damaged_gzip(tmp_path: Path, byte: int) -> None:
    whole = bytearray(gzip.compress((HEAD + "".join(f"{uid},0,0,{uid % 200 + 1},1\n" for uid in range(500))).encode()))
    whole[byte] ^= 255
    (fault,) = faults(tmp_path / "a.csv.gz", bytes(whole))
    assert fault.startswith("the gzip stream")


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    text = (HEAD + "1,0,5,10,20\n").encode()
    table = pa.table({name: [value] for name, value in zip(COLUMNS, (1, 0, 5, 10, 20), strict=True)})
    for name in ("a.csv", "a.csv.gz", "a.parquet", "a.txt"):
        for content in (text, gzip.compress(text)):
            assert rows(read(tmp_path / name, content)) == [(1, 0, 5, 10, 20)]
        pq.write_table(table, tmp_path / name)
        assert rows(read_points(tmp_path / name, city="B")) == [(1, 0, 5, 10, 20)]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        with pytest.raises(UserError, match="cannot be read"):
            read_points(tmp_path / name, city="B")
    with pytest.raises(UserError, match="cannot be read"):
        read_points(tmp_path, city="B")


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table({"uid": [1, 1], "d": [0, 0], "t": [0, 1], "x": [5, 6], "y": [5, 6], **columns}), path)
    return path


def test_parquet(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", x=[5.0, 6.0], y=["5.0", "6"], extra=["a", "b"])
    assert rows(read_points(path, city="B")) == [(1, 0, 0, 5, 5), (1, 0, 1, 6, 6)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"x": [5.0, float("nan")]}, "row 2: x is 'nan', not a whole number"),
        ({"x": [5.0, 6.5]}, "row 2: x is '6.5', not a whole number"),
        ({"y": [None, 1]}, "row 1: y is blank; give a whole number or leave the row out"),
        ({"y": ["a", "1"]}, "row 1: y is 'a', not a whole number"),
        ({"x": ["5", "0x10"]}, "row 2: x is '0x10', not a whole number"),
        ({"t": [0, 48]}, "row 2: t = 48 is outside 0..47; timeslots count from 0"),
        ({"uid": [1, 2**40]}, f"row 2: uid = {2**40} is outside 0..2147483647"),
        ({"t": [0, 0]}, "row 2: uid 1, d 0, t 0 stands in row 1 already; keep one of them"),
    ],
)
def test_faults_in_parquet_name_the_row(tmp_path: Path, columns: dict[str, object], expected: str) -> None:
    path = parquet(tmp_path / "a.parquet", **columns)
    with pytest.raises(UserError) as caught:
        read_points(path, city="B")
    assert caught.value.messages == (f"{path}, {expected}",)


def test_truth_values_and_dates_are_no_numbers_in_parquet(tmp_path: Path) -> None:
    for column in ([False, True], pa.array([0, 1], pa.date32()), pa.array([0, 1], pa.timestamp("s"))):
        path = parquet(tmp_path / "a.parquet", t=column)
        with pytest.raises(UserError, match=r"row 1: t is '.*', not a whole number"):
            read_points(path, city="B")


def test_parquet_without_a_column_or_that_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": [1], "d": [0], "t": [0], "x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column 'y' is missing"):
        read_points(tmp_path / "a.parquet", city="B")
    for content in (b"PAR1", (tmp_path / "a.parquet").read_bytes()[:-20]):
        (tmp_path / "b.parquet").write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as Parquet"):
            read_points(tmp_path / "b.parquet", city="B")


keys = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 74), st.integers(0, 47)), min_size=2, max_size=80, unique=True
)


@settings(deadline=None, max_examples=60)
@given(keys=keys, size=st.integers(40, 300), seed=st.integers(0, 99))
def test_blocks_of_any_size_give_what_pandas_reads(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, int, int]], size: int, seed: int
) -> None:
    text = table_text(keys, seed)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfiles, "BLOCK", size)  # a block holds at least one row
        points = read(path, text)
    frame = pd.read_csv(io.StringIO(text)).sort_values(["uid", "d", "t"], ignore_index=True)
    pd.testing.assert_frame_equal(points.visible.to_frame()[list(COLUMNS)], frame, check_dtype=False)


@settings(deadline=None, max_examples=60)
@given(keys=keys, size=st.integers(40, 300), seed=st.integers(0, 99), data=st.data())
def test_a_fault_anywhere_is_found_on_its_line(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[tuple[int, int, int]],
    size: int,
    seed: int,
    data: st.DataObject,
) -> None:
    lines = table_text(keys, seed).splitlines()
    bad = data.draw(st.integers(1, len(lines) - 1))
    field = data.draw(st.integers(0, 4))
    values = lines[bad].split(",")
    values[field] = data.draw(st.sampled_from(["", "a", "nan", "-1", "1.5", "99999999999"]))
    lines[bad] = ",".join(values)
    for _ in range(data.draw(st.integers(0, 3))):  # blank lines before it are counted
        lines.insert(1, "")
        bad += 1
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfiles, "BLOCK", size)
        (fault,) = faults(path, "\n".join(lines) + "\n")
    assert fault.startswith(f"line {bad + 1}: {COLUMNS[field]} ")


@settings(deadline=None, max_examples=40)
@given(keys=keys, size=st.integers(40, 300), seed=st.integers(0, 99), data=st.data())
def test_a_repeated_key_is_found_on_its_lines(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[tuple[int, int, int]],
    size: int,
    seed: int,
    data: st.DataObject,
) -> None:
    lines = table_text(keys, seed).splitlines()
    first = data.draw(st.integers(1, len(lines) - 1))
    again = data.draw(st.integers(first + 1, len(lines)))
    lines.insert(again, lines[first])
    if data.draw(st.booleans()):
        lines.insert(1, "")
        first, again = first + 1, again + 1
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfiles, "BLOCK", size)
        (fault,) = faults(path, "\n".join(lines) + "\n")
    assert fault.startswith(f"line {again + 1}: ")
    assert f"stands in line {first + 1} already" in fault


def table_text(keys: list[tuple[int, int, int]], seed: int) -> str:
    rng = np.random.default_rng(seed)
    cells = rng.integers(1, 201, (len(keys), 2))
    body = (f"{u},{d},{t},{x},{y}\n" for (u, d, t), (x, y) in zip(keys, cells, strict=True))
    return HEAD + "".join(body)


def test_unsorted_rows_of_the_widest_values_are_sorted_too(path: Path) -> None:
    rng = np.random.default_rng(0)
    every = np.array([(u, d, t) for u in (0, 2**31 - 1) for d in (0, 9999) for t in range(48)])
    for days in (slice(None), every[:, 1] == 0):  # too wide to be packed into one integer, and not
        keys = rng.permutation(every[days])
        body = "".join(f"{u},{d},{t},{200 if t else 999},{t + 1 if t else 999}\n" for u, d, t in keys.tolist())
        points = read(path, body, masked=True)
        seen = sorted(key for key in map(tuple, keys.tolist()) if key[2])
        assert rows(points) == [(u, d, t, 200, t + 1) for u, d, t in seen]
        assert set(points.masked.t.tolist()) == {0}
        fault = faults(path, body + body.splitlines()[0] + "\n", masked=True)
        assert len(fault) == 1
        assert fault[0].startswith(f"line {len(keys) + 1}: ")


def test_real_files_hold_what_their_page_says(humob100: Path) -> None:
    for city, first in (("B", 17600), ("C", 13600)):
        points = read_points(humob100 / f"city_{city}.csv.gz", city=city)
        assert len(points.masked) == 0
        assert {uid for _, uid in points.visible.users} <= set(range(first, first + 100))
        assert (points.visible.d.min(), points.visible.d.max()) == (0, 74)
