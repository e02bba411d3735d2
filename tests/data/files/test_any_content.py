"""Whatever a file holds, it is read or refused in lines for a user: no traceback, no control bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.challenge.submission import check_submission
from bench.data.files.csvfiles import read_points
from bench.errors import UserError
from models.llama_mob.prompts.conversations import points_of

CASES = Path(__file__).parent.parent / "cases"
SEEDS = [path.read_bytes() for path in sorted(CASES.glob("*/*"))]

NOISE = st.one_of(
    st.binary(max_size=6), st.sampled_from([b"\n", b"\r", b'"', b",", b"\0", b"\x1b[", b"nan", b"9" * 30])
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A case's bytes, cut and with noise; or bytes of any kind."""
    content = bytearray(draw(st.one_of(st.sampled_from(SEEDS), st.binary(max_size=200))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 3))] = draw(NOISE)
    if draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
    return gzip.compress(bytes(content), 1) if draw(st.booleans()) else bytes(content)


def refusal(read: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    """Why a file is refused; nothing where it is read."""
    try:
        read(path)
    except UserError as error:
        return error.messages
    return ()


def read_answers(path: Path) -> object:
    return read_points(path, city="B", answers=True)


def read_rows(path: Path) -> object:
    return read_points(path, city="B", masked=True)


@settings(max_examples=150)
@given(content=contents(), read=st.sampled_from([read_rows, read_answers, points_of]))
def test_a_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, read: Callable[[Path], object]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(content)
    assert all(message.isprintable() and str(path) in message for message in refusal(read, path))


@settings(max_examples=50)
@given(content=contents())
def test_a_submission_is_checked_whatever_it_holds(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(content)
    found = check_submission(path, "humob2024", "D")
    assert found
    assert all(fault.isprintable() for fault in found)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


@given(data=st.data())
def test_conversations_with_a_part_of_any_kind_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    items = json.loads((CASES / "conversations" / "uid_text.json").read_text())
    message = items[0]["messages"][data.draw(st.integers(0, 2))]
    part, key = data.draw(
        st.sampled_from(
            [(items, 0), (items[0], "uid"), (items[0], "messages"), (items[0]["messages"], 1), (message, "content")]
        )
    )
    part[key] = data.draw(JSON)
    path = tmp_path_factory.mktemp("any") / "talk.json"
    path.write_text(json.dumps(items))
    assert all(message.isprintable() for message in refusal(points_of, path))
