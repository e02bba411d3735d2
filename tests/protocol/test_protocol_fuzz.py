"""Whatever stands in a protocol or behind --set, the answer is a protocol or faults with their places."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from bench.protocol import reading
from bench.protocol.schema import Protocol

WHOLE: dict[str, Any] = {
    "schema": 1,
    "name": "tiny",
    "version": 1,
    "about": "For tests.",
    "data": {"source": "synthetic", "cities": ["A", "B"], "seed": 3, "options": {"users": 50}},
    "window": {"history": [0, 9], "horizon": [10, 12]},
    "splits": [{"train": {"cities": ["A"], "days": [0, 9], "shares": {"A": 0.5}}, "test": ["B"], "users": {"test": 3}}],
    "users": {"train": 20, "validate": {"uids": "1-3"}, "test": {"last": 9}, "roles": "hash"},
    "models": ["user_mode", {"use": "slot_mode", "name": "again", "settings": {}}],
    "sweep": {"users.train": [3, 5]},
    "metrics": {"main": "dtw@fixed", "also": ["geobleu@humob24"]},
    "answers": {"fallback": "last_cell", "most_filled": 0.1},
    "seeds": [0],
    "limits": {"fit_seconds": 5},
    "floor": False,
    "scales": {"full": {"users": {"train": "all"}, "data.seed": 4}},
}
words = st.sampled_from(
    ["A", "C", "user_mode", "users.train", "models.again.x", "last", "uids", "full", "all", "", "1-2"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | words | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a document."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*before, key)
        yield from paths(value[key], (*before, key))


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def read(text: str, folder: Path, **given: Any) -> None:
    file = folder / "p.yaml"
    file.write_text(text)
    try:
        messages = [] if isinstance(reading.load(file, **given), Protocol) else ["no protocol"]
    except UserError as error:
        messages = list(error.messages) or ["no message"]
    for message in messages:
        assert re.match(rf"({re.escape(str(file))}:\d+|--(set|scale) .*): ", message, re.S), message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_the_whole_document_is_right(folder: Path) -> None:
    (folder / "whole.yaml").write_text(yaml.dump(WHOLE))
    assert len(reading.load(folder / "whole.yaml", scale="full").splits) == 2


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_part_replaced_taken_out_or_added(folder: Path, data: st.DataObject) -> None:
    document = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(paths(document)) or [("schema",)]))
        parent: Any = document
        for key in way:
            parent = parent[key]
        deed = data.draw(st.sampled_from(["replace", "take out", "add"]))
        if deed == "take out" and last in parent:
            del parent[last]
        elif deed == "add" and isinstance(parent, dict):
            parent[data.draw(words)] = data.draw(values)
        elif isinstance(parent, list | dict) and (isinstance(parent, dict) or last < len(parent)):
            parent[last] = data.draw(values)
    scale = data.draw(st.sampled_from([None, "full"]))
    read(yaml.dump(document, Dumper=_NoAliases), folder, scale=scale)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([".".join(map(str, way)) for way in paths(WHOLE)]) | words, max_size=3), st.data())
def test_any_override(folder: Path, keys: list[str], data: st.DataObject) -> None:
    given = [f"{key}={data.draw(values.map(str) | st.text(max_size=4))}" for key in keys]
    read(yaml.dump(WHOLE), folder, overrides=given)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from("ab:[]{}-,&*!?|>'\"%@#\n \t1"), max_size=20).map("".join))
def test_any_text(folder: Path, text: str) -> None:
    read(text.encode("utf-8", "ignore").decode(), folder)
