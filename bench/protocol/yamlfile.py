"""YAML that remembers the line of each value, so every fault can name it.

Stricter than PyYAML's safe loader: repeated keys, aliases and tags are refused, and ``2e-5`` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UserError

Key = str | int


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader plus floats without a point, which YAML 1.1 reads as text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}
_CONTAINERS = {yaml.MappingNode: "tag:yaml.org,2002:map", yaml.SequenceNode: "tag:yaml.org,2002:seq"}


@dataclass(frozen=True)
class Node:
    """A value with its place (``file:line``, or the option it came from).

    value: a plain scalar, a dict of Nodes by key, or a list of Nodes; keys: the place of each key of a dict; changed:
    the place of what last replaced an entry of it, if anything did.
    """

    value: Any
    place: str
    keys: dict[str, str] = field(default_factory=dict)
    changed: str | None = None

    def plain(self) -> Any:
        """Return the value without Nodes."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def get(self, key: str) -> Node | None:
        """Return the child of a mapping, or None."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def place_of(self, path: Iterable[Key]) -> str:
        """Return the place of the deepest part of ``path`` that exists; for a mapping's entry, that of its key."""
        node, place = self, self.place
        for key in path:
            if isinstance(node.value, dict) and key in node.value:
                node, place = node.value[key], node.keys.get(str(key), node.place)
            elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
                place = node.place
            else:
                break
        return place

    def with_entry(self, key: str, child: Node, place: str, changed: str | None = None) -> Node:
        """Return a mapping in which ``key`` has another value."""
        return Node({**self.value, key: child}, self.place, {**self.keys, key: place}, changed or place)

    def with_path(self, path: Sequence[str], child: Node) -> Node:
        """Return a copy with ``child`` at ``path``; missing mappings on the way are made.

        A step into a list is an index. Raises UserError where the path runs into something else.
        """
        if not path:
            return child
        step, rest = path[0], path[1:]
        if isinstance(self.value, list):
            if not step.isdigit() or int(step) >= len(self.value):
                raise UserError(f"{child.place}: '{step}' is not an index of a list of {len(self.value)} (from 0)")
            i = int(step)
            return Node([*self.value[:i], self.value[i].with_path(rest, child), *self.value[i + 1 :]], self.place)
        if not isinstance(self.value, dict):
            raise UserError(f"{child.place}: '{step}' cannot be set inside {describe(self.plain())}")
        below = self.value.get(step, Node({}, child.place))
        place = child.place if not rest or step not in self.value else self.keys[step]
        return self.with_entry(step, below.with_path(rest, child), place, child.place)

    def without(self, *keys: str) -> Node:
        """Return the mapping without the given keys."""
        return Node({k: v for k, v in self.value.items() if k not in keys}, self.place, self.keys)


def load(path: Path) -> Node:
    """Read a YAML file whose top level is a mapping. Raises UserError with every fault found."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a YAML file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    root = parse(text, str(path))
    if not isinstance(root.value, dict):
        raise UserError(f"{root.place}: a mapping (key: value) is needed, not {describe(root.plain())}")
    return root


def parse(text: str, name: str, *, lines: bool = True) -> Node:
    """Turn YAML text into a Node; ``name`` (with the line, if ``lines``) is the place of its values."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        place = f"{name}:{text.count(chr(10), 0, error.position) + 1}" if lines else name
        raise UserError(f"{place}: the character {error.character:#x} is not allowed in YAML; remove it") from None
    builder = _Builder(loader, name, lines)
    try:
        composed = loader.get_single_node()
    except yaml.YAMLError as error:
        raise UserError(f"{builder.place(getattr(error, 'problem_mark', None))}: {_one_line(error)}") from None
    except RecursionError:
        raise UserError(f"{name}: the YAML is nested too deeply") from None
    finally:
        loader.dispose()
    root = builder.build(composed) if composed is not None else Node(None, builder.place(None))
    if builder.faults:
        raise UserError(*builder.faults)
    return root


def merge(base: Node, over: Node, whole: Collection[str] = ()) -> Node:
    """Return ``base`` with the parts that ``over`` names replaced.

    Mappings merge, except under the keys in ``whole``; anything else is replaced.
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = base
    for key, child in over.value.items():
        kept = base.get(key)
        new = child if kept is None or key in whole else merge(kept, child, whole)
        merged = merged.with_entry(key, new, over.keys[key])
    return merged


def describe(value: object) -> str:
    """Name a YAML value in an error."""
    if value is None:
        return "nothing"
    kinds: Sequence[tuple[type, str]] = ((dict, "a mapping"), (list, "a list"), (bool, "yes/no"), (str, "text"))
    kind = next((name for cls, name in kinds if isinstance(value, cls)), "a number")
    return kind if isinstance(value, dict | list) else f"{kind} ({value!r})"


class _Builder:
    """Turns PyYAML's nodes into Nodes and collects what is refused."""

    def __init__(self, loader: _Loader, name: str, lines: bool) -> None:
        self.loader, self.name, self.lines = loader, name, lines
        self.faults: list[str] = []
        self.met: set[int] = set()

    def place(self, mark: yaml.Mark | None) -> str:
        """Return ``name:line``, counted from 1."""
        return f"{self.name}:{mark.line + 1 if mark else 1}" if self.lines else self.name

    def fault(self, mark: yaml.Mark, text: str) -> None:
        """Note one fault."""
        self.faults.append(f"{self.place(mark)}: {text}")

    def build(self, node: yaml.Node) -> Node:
        """Return the Node of one PyYAML node."""
        place = self.place(node.start_mark)
        # An alias is the very node it points to; unfolding it could take for ever.
        if id(node) in self.met:
            self.fault(node.start_mark, "an alias (*name) points here; aliases are refused; write the value out")
            return Node(None, place)
        self.met.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return Node(self.scalar(node), place)
        assert isinstance(node, (yaml.SequenceNode, yaml.MappingNode)), "PyYAML has no other nodes"
        if node.tag != _CONTAINERS[type(node)]:
            self.fault(node.start_mark, f"the tag {_short(node.tag)} is refused; leave it out")
        if isinstance(node, yaml.SequenceNode):
            return Node([self.build(child) for child in node.value], place)
        return self.mapping(node, place)

    def scalar(self, node: yaml.ScalarNode) -> Any:
        """Return a plain value; tags that are not plain YAML are refused."""
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            if node.tag in _PLAIN:
                return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError):
            pass
        self.fault(node.start_mark, f"'{node.value}' cannot be read as {_short(node.tag)}; leave the tag out")
        return None

    def mapping(self, node: yaml.MappingNode, place: str) -> Node:
        """Return a dict of Nodes; keys must be text and unique."""
        values: dict[str, Node] = {}
        keys: dict[str, str] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self.fault(key_node.start_mark, "a key must be plain text")
            elif key in keys:
                self.fault(key_node.start_mark, f"'{key}' appears twice (first at {keys[key]}); keep one")
            else:
                keys[key] = self.place(key_node.start_mark)
                values[key] = self.build(value_node)
        return Node(values, place, keys)


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        parts = [part for part in (error.context, error.problem) if part]
        return f"not valid YAML: {', '.join(parts)}"
    return "not valid YAML: " + " ".join(str(error).split())
