"""Dotted paths into a protocol, and sweeps: lists that multiply models and splits."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.errors import UserError, nearest
from bench.protocol.yamlfile import Node, describe, merge

SWEPT_PARTS = ("users", "window")
SELECTIONS = ("train", "validate", "test")  # of users: {last: 9} is one value, not a mapping to merge into


def as_mapping(entry: Node) -> Node:
    """Return a model's entry in its long form: ``slot_mode`` is short for ``{use: slot_mode}``."""
    if isinstance(entry.value, str):
        return Node({"use": entry}, entry.place, {"use": entry.place})
    return entry


def assign(root: Node, dotted: str, child: Node) -> Node:
    """Return the document with ``child`` at a dotted path.

    ``models.NAME.SETTING`` reaches a setting of every model with that name or adapter; numbers are indices of lists.
    Raises UserError if the path leads nowhere; validation finds unknown keys.
    """
    head, _, rest = dotted.partition(".")
    sweep = root.get("sweep")
    if sweep is not None and sweep.get(dotted) is not None:
        raise UserError(f"{child.place}: {dotted} is swept; set sweep.{dotted}=[VALUE] instead")
    if head == "sweep" and rest:
        return root.with_path([head, rest], child)
    if head == "models" and rest:
        for i, setting in _models_at(root, rest, f"{child.place}: {dotted}"):
            entry = as_mapping(root.value["models"].value[i])
            entry = entry.with_path(["settings", *setting], child)
            root = root.with_path(["models", str(i)], entry)
        return root
    return root.with_path(dotted.split("."), child)


def read(root: Node) -> dict[str, list[Node]]:
    """Return the sweep's lists by key. Raises UserError with every key or list that cannot be swept."""
    section = root.get("sweep")
    if section is None or section.value in (None, {}):
        return {}
    if not isinstance(section.value, dict):
        raise UserError(f"{section.place}: sweep: a mapping of lists is needed, not {describe(section.plain())}")
    faults: list[str] = []
    for key, values in section.value.items():
        place, plain = section.keys[key], values.plain()
        head, _, rest = key.partition(".")
        if head == "models" and rest:
            try:
                _models_at(root, rest, f"{place}: sweep.{key}")
            except UserError as error:
                faults += error.messages
        elif head not in SWEPT_PARTS or not rest:
            known = (
                "models.NAME.SETTING",
                "users.train",
                "users.validate",
                "users.test",
                "window.history",
                "window.horizon",
            )
            faults.append(f"{place}: sweep.{key}: cannot be swept{nearest(key, known)}")
        if not isinstance(plain, list) or not plain:
            faults.append(f"{place}: sweep.{key}: a list of values is needed, not {describe(plain)}")
        elif any(value in plain[:i] for i, value in enumerate(plain)):
            faults.append(f"{place}: sweep.{key}: a value appears twice; keep one")
    if faults:
        raise UserError(*faults)
    return {key: list(values.value) for key, values in section.value.items()}


def split_variants(
    root: Node, split: Node, swept: Mapping[str, list[Node]]
) -> Iterator[tuple[str, Node | None, Node | None]]:
    """Yield (label, window, users) for each combination of the sweeps over users and windows.

    The split's own users replace the protocol's; the sweep replaces both.
    """
    users, window, own = root.get("users"), root.get("window"), split.get("users")
    base = {"users": merge(users, own, SELECTIONS) if users and own else users, "window": window}
    lists = {key: values for key, values in swept.items() if key.partition(".")[0] in SWEPT_PARTS}
    for label, chosen in _combinations(lists):
        parts = dict(base)
        for key, child in chosen.items():
            head, *rest = key.split(".")
            part = parts[head]
            if part is not None and isinstance(part.value, dict):
                parts[head] = part.with_path(rest, child)
        yield label, parts["window"], parts["users"]


def model_variants(root: Node, index: int, name: str, swept: Mapping[str, list[Node]]) -> Iterator[tuple[str, Node]]:
    """Yield (name, settings) for each combination of the sweeps over one model's settings, e.g. "lp_bert epochs=3"."""
    lists: dict[str, list[Node]] = {}
    for key, values in swept.items():
        head, _, rest = key.partition(".")
        if head == "models":
            lists |= {".".join(setting): values for i, setting in _models_at(root, rest, key) if i == index}
    entry = as_mapping(root.value["models"].value[index])
    base = entry.get("settings") or Node({}, entry.place)
    for label, chosen in _combinations(lists):
        settings = base
        for setting, child in chosen.items():
            settings = settings.with_path(setting.split("."), child)
        yield f"{name} {label}".strip(), settings


def _combinations(lists: Mapping[str, Sequence[Node]]) -> Iterator[tuple[str, dict[str, Node]]]:
    """Yield (label, key -> value) over the product of the lists; one empty combination without lists."""
    for values in itertools.product(*lists.values()):
        chosen = dict(zip(lists, values, strict=True))
        yield " ".join(f"{key}={_show(child.plain())}" for key, child in chosen.items()), chosen


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _models_at(root: Node, path: str, where: str) -> list[tuple[int, list[str]]]:
    """Return (index, path of the setting) for each model that ``NAME.SETTING`` reaches; names may hold points."""
    models = root.get("models")
    listed = models.value if models and isinstance(models.value, list) else []
    pairs = [names(entry) for entry in listed]
    for kind in (0, 1):
        found = [
            (i, path.removeprefix(f"{pair[kind]}.").split("."))
            for i, pair in enumerate(pairs)
            if pair[kind] and path.startswith(f"{pair[kind]}.")
        ]
        if found:
            return found
    head = path.partition(".")[0]
    known = {name for pair in pairs for name in pair if name}
    if path in known:
        raise UserError(f"{where}: name the setting too, e.g. models.{path}.SETTING")
    raise UserError(f"{where}: no such model{nearest(head, known)}")


def names(entry: Node) -> tuple[str, str]:
    """Return a model's name in tables and its adapter, as far as they are known."""
    entry = as_mapping(entry)
    name, use = (
        child.value if child and isinstance(child.value, str) else "" for child in map(entry.get, ("name", "use"))
    )
    return name or use, use
