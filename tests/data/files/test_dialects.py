"""The same rows in every dialect: told by content, read alike; what is no text of rows is named in one line."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.files import csvfiles
from bench.data.files.csvfiles import read_points
from bench.data.files.rows import COLUMNS, whole_number
from bench.errors import UserError

CASES = Path(__file__).parent.parent / "cases" / "csv"
ROWS = st.dictionaries(
    st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 74), st.integers(0, 47)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    min_size=1,
    max_size=30,
)


def table(path: Path, **options: bool) -> list[tuple[int, ...]]:
    visible = read_points(path, city="B", **options).visible
    return list(zip(*(getattr(visible, name).tolist() for name in COLUMNS), strict=True))


def fault(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_points(path, city="B")
    (message,) = caught.value.messages
    assert message.isprintable()
    return message


@st.composite
def dialects(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], bytes]:
    """Rows, and a file that holds them as some tool would write them."""
    rows = [(*key, *cell) for key, cell in draw(ROWS).items()]
    separator, end = draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n"]))
    header = draw(st.booleans())
    order = draw(st.permutations(range(5))) if header else range(5)
    shape = draw(st.sampled_from(["{}", "{}.0", "{}.", "{}.00", '"{}"', '"{}.0"', " {} "]))
    floats = draw(st.sets(st.integers(0, 4)))
    notes = header and draw(st.booleans())
    lines = [[(shape if i in floats else "{}").format(row[i]) for i in order] for row in rows]
    if header:
        lines.insert(0, [COLUMNS[i] for i in order])
    if notes:
        lines = [[*line, "note 1.0 0x"] for line in lines]
    text = end.join(separator.join(line) for line in lines) + draw(st.sampled_from(["", end, end + end]))
    if draw(st.booleans()):
        text = f"sep={separator}{end}{text}"
    content = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    return rows, gzip.compress(content, 1) if draw(st.booleans()) else content


@settings(max_examples=100)
@given(made=dialects(), size=st.integers(120, 600))
def test_rows_are_read_alike_in_every_dialect(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[list[tuple[int, ...]], bytes], size: int
) -> None:
    rows, content = made
    path = tmp_path_factory.mktemp("dialect") / "a.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvfiles, "BLOCK", size)
        assert table(path) == sorted(rows)


@pytest.mark.parametrize(
    "name", ["float_xy.csv", "float_all.csv", "semicolon.csv", "tab.tsv", "sepline.csv", "utf16.csv"]
)
def test_the_same_answers_in_other_clothes(name: str) -> None:
    assert table(CASES / name) == table(CASES / "plain.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_from_its_first_byte(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(pack(b"1234,0,5,10,20\n"),))
    writer.start()
    assert table(pipe) == [(1234, 0, 5, 10, 20)]
    writer.join()


@pytest.mark.parametrize("name", ["blank.csv", "nan_float.csv"])
def test_the_blank_is_named_first(name: str) -> None:
    with pytest.raises(UserError) as caught:
        table(CASES / name)
    blank = "is blank; give a whole number or leave the row out"
    assert caught.value.messages == tuple(f"{CASES / name}, line 7: {column} {blank}" for column in ("x", "y"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zip.csv.zip", "is a ZIP archive (plain.csv); unpack it and give the file with the rows"),
        ("book.xlsx", "is an Excel workbook; save the sheet as CSV UTF-8 and give that file"),
        ("control_bytes.csv", r"line 1: holds '\x1b[31mred\x1b[0m\x1b]0;owned\x07,b,c', none of the columns"),
    ],
)
def test_other_kinds_are_named_in_one_line(tmp_path: Path, name: str, said: str) -> None:
    for other in (name, "renamed.csv", "renamed.parquet"):
        assert said in fault(tmp_path / other, (CASES / name).read_bytes())


def _zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("uid,d,t,x,y\n1,0,0,1,1\n".encode("utf-16-le"), "a zero byte"),
        ("uid,d,t,x,y\n1,0,0,1,1\n".encode("utf-32"), "UTF-32 text; save it as UTF-8"),
        (b"\xff\xfeu\0i\0d", "damaged UTF-16 text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"BZh91AY&SY", "bzip2; unpack it"),
        (b"\xfd7zXZ\0", "xz; unpack it"),
        (b"\x80\x04\x95", "a pickle, which is never opened"),
        (b"PK\x03\x04 and no more", "a ZIP archive; unpack it"),
        (_zipped("a.csv", "b\x1b.csv", "c", "d"), r"a ZIP archive (a.csv, b\x1b.csv, c, ...)"),
        (gzip.compress(_zipped("a.csv"), mtime=0), "a ZIP archive; unpack it"),
        (b'[{"messages": []}]', "is JSON; bench data convert"),
        (b'{"messages": []}', "is JSON; bench data convert"),
        (b"<!DOCTYPE html><html>", "HTML or XML, as of an error page"),
        (b"sep=|\nuid|d|t|x|y\n", "line 1: sep=| is no comma, semicolon or tab"),
        (b"uid|d|t|x|y\n1|0|0|1|1\n", "'uid|d|t|x|y', none of the columns"),
        (b"uid;d;t;x\n1;0;0;1\n", "line 1: column 'y' is missing; the columns are uid,d,t,x"),
        (b"sep=;\nuid;d;t;x;y\n1;0;0;1,0;1\n", "line 3: x is '1,0', not a whole number"),
        (b"uid,d,t,x,y\r1,0,0,1,1\r", "lines end in lone carriage returns; save the file with line feeds"),
        (b"1;0;0;1\n", "line 1: 4 fields; without a header there must be 5"),
        (b'uid,d,t,x,y\n1,0,0,"1,000",1\n', "line 2: x is '1,000', not a whole number"),
        (b"uid,d,t,x,y\n1,0,0,1.0.0,1\n", "line 2: x is '1.0.0', not a whole number"),
        (b"uid,d,t,x,y\n1,0,0,1,1.0.0", "line 2: y is '1.0.0', not a whole number"),
        (b"uid,d,t,x,y\n1,0,0,.0,1\n", "line 2: x is '.0', not a whole number"),
        (b"uid,d,t,x,y\n1,0,0," + b"9" * 5000 + b",1\n", "line 2: x is '9999"),
        (b"uid,d,t,x,y\n1,0,0,\x1b[2J\xe2\x80\xae,1\n", r"line 2: x is '\x1b[2J\u202e', not a whole number"),
    ],
)
def test_what_cannot_be_read_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in fault(tmp_path / "a.csv", content)


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.sampled_from(["", ".", ".0", ".000"]))
def test_whole_numbers_may_have_a_point(number: int, point: str) -> None:
    assert whole_number(f"{number}{point}") == number


@pytest.mark.parametrize("text", ["", ".", ".0", "1.5", "1.01", "1e2", "0x1", "1_0", "+1", "1 0", "nan", "٣", "--1"])
def test_nothing_else_is_a_whole_number(text: str) -> None:
    assert whole_number(text) is None
