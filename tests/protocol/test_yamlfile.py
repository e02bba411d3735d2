"""YAML with places: every value knows its line, and what is odd is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UserError
from bench.protocol import yamlfile

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        yamlfile.parse(text, "p.yaml")
    return caught.value.messages


@given(plain)
def test_reads_what_pyyaml_writes(value: object) -> None:
    text = yaml.dump(value, Dumper=_NoAliases)
    assert yamlfile.parse(text, "p.yaml").plain() == value


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def test_every_value_knows_its_line() -> None:
    node = yamlfile.parse("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "p.yaml")
    assert node.place_of(("a",)) == "p.yaml:1"
    assert node.place_of(("b",)) == "p.yaml:2"
    assert node.place_of(("b", 0)) == "p.yaml:3"
    assert node.place_of(("b", 1, "d")) == "p.yaml:5"
    assert node.place_of(("b", 1, "absent", "deeper")) == "p.yaml:4"


def test_numbers_without_a_point_are_numbers() -> None:
    node = yamlfile.parse("[2e-5, 1E3, -4e2, 1e, 12e-x]", "p.yaml")
    assert node.plain() == [2e-5, 1000.0, -400.0, "1e", "12e-x"]


def test_dates_stay_text() -> None:
    assert yamlfile.parse("2024-01-05", "p.yaml").plain() == "2024-01-05"


def test_repeated_keys_are_refused_with_both_lines() -> None:
    assert faults("a: 1\nb: {c: 1, c: 2}\na: 3\n") == (
        "p.yaml:2: 'c' appears twice (first at p.yaml:2); keep one",
        "p.yaml:3: 'a' appears twice (first at p.yaml:1); keep one",
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "refused"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "leave the tag out"),
        ("a: !custom {b: 1}\n", 1, "refused"),
        ("a: !!int twelve\n", 1, "cannot be read as !!int"),
        ("a: !!binary aGVq\n", 1, "cannot be read as !!binary"),
        ("a: 1\nb: &x [1]\nc: *x\n", 2, "alias"),
        ("a: &x [*x]\n", 1, "alias"),
        ("a:\n  <<: {b: 1}\n", 2, "plain text"),
        ("? [1, 2]\n: 3\n", 1, "plain text"),
        ("a: 1\n--- \nb: 2\n", 2, "single document"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
    ],
)
def test_what_is_refused_names_its_line(text: str, line: int, words: str) -> None:
    (message,) = faults(text)
    assert message.startswith(f"p.yaml:{line}: ")
    assert words in message


def test_an_alias_bomb_is_refused_at_once() -> None:
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 40))
    assert len(faults("l0: &l0 [x]\n" + levels)) == 39 * 9


def test_deep_nesting_is_refused() -> None:
    assert "nested too deeply" in faults("[" * 1000 + "]" * 1000)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a mapping (key: value) is needed, not nothing"),
        (b"- a\n- b\n", "not a list"),
        (b"just text\n", "not text ('just text')"),
        (b"a: \xff\n", "is not UTF-8"),
        (b"a: 1\nb: \x00\n", ":2: the character 0x0 is not allowed"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        yamlfile.load(file)
    (message,) = caught.value.messages
    assert str(file) in message
    assert words in message


@pytest.mark.parametrize("name", [".", "no_such.yaml"])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        yamlfile.load(tmp_path / name)


def test_merge_replaces_lists_and_scalars_and_merges_mappings() -> None:
    base = yamlfile.parse("a: {b: 1, c: [1, 2]}\nd: 4\n", "p.yaml")
    over = yamlfile.parse("a: {c: [3]}\nd: {e: 5}\n", "over")
    merged = yamlfile.merge(base, over)
    assert merged.plain() == {"a": {"b": 1, "c": [3]}, "d": {"e": 5}}
    assert merged.place_of(("a", "c")) == "over:1"
    assert merged.place_of(("a", "b")) == "p.yaml:1"
    assert base.plain() == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_with_path_sets_makes_and_refuses() -> None:
    base = yamlfile.parse("a: {b: 1}\nl: [x, {y: 1}]\n", "p.yaml")
    child = yamlfile.parse("7", "--set", lines=False)
    assert base.with_path(["a", "b"], child).plain() == {"a": {"b": 7}, "l": ["x", {"y": 1}]}
    assert base.with_path(["new", "deep"], child).plain()["new"] == {"deep": 7}
    changed = base.with_path(["l", "1", "y"], child)
    assert changed.plain()["l"] == ["x", {"y": 7}]
    assert changed.place_of(("l", 1, "y")) == "--set"
    for path in (["a", "b", "c"], ["l", "2"], ["l", "y"]):
        with pytest.raises(UserError, match=r"^--set: "):
            base.with_path(path, child)
