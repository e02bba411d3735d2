"""Reads a protocol: YAML, a scale and ``--set`` overrides become frozen objects, or all faults at once.

``load(Path("protocols/zero_shot.yaml"), scale="full", overrides=["users.train=50"])``
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UserError, nearest
from bench.protocol import sweep, yamlfile
from bench.protocol.checking import Reader
from bench.protocol.schema import DataSpec, Protocol, with_floor
from bench.protocol.yamlfile import Node, describe
from bench.shipped import find_protocol

BASE = "default"  # the scale of a protocol as it stands


def load(
    path: Path | str,
    *,
    scale: str | None = None,
    overrides: Sequence[str] = (),
    data: str | None = None,
    only: Sequence[str] = (),
    add: Sequence[str] = (),
) -> Protocol:
    """Read a protocol: a file, or a shipped one by its bare name.

    scale: a name under ``scales`` whose parts replace those of the file; overrides: ``dotted.path=YAML value``, after
    the scale; data: a source in place of the file's (another kind of source drops ``data.options``); only: names of
    models to keep; add: adapters to run in addition. The floor models join unless the file says ``floor: false`` or
    ``only`` is given. Raises UserError with all faults, each with its line.
    """
    chosen, faults = document(Path(path), scale=scale, overrides=overrides, data=data, add=add)
    reader = Reader(chosen)
    protocol = reader.protocol(scale or BASE, only)
    faults = [*(f"{place}: {text}" for place, text in reader.faults), *faults]
    if protocol is None or faults:
        raise UserError(*dict.fromkeys(faults))
    if protocol.floor and not only:
        protocol = protocol.model_copy(update={"models": with_floor(protocol.models)})
    return protocol


def document(
    path: Path, *, scale: str | None, overrides: Sequence[str], data: str | None, add: Sequence[str]
) -> tuple[Node, list[str]]:
    """Return a protocol's document with scale and overrides applied, not yet validated, and the faults so far."""
    root = yamlfile.load(find_protocol(path))
    chosen = _at_scale(root, scale)
    if data is not None:
        chosen = _with_source(chosen, data)
    chosen, faults = _override(_with_models(chosen, add), overrides)
    return chosen, faults + [f"{place}: {text}" for place, text in _faults_of_other_scales(root, scale)]


def scales(path: Path) -> tuple[str, ...]:
    """Return the names of a protocol's scales, the base first. Raises UserError."""
    found = yamlfile.load(find_protocol(path)).get("scales")
    return (BASE, *found.value) if found and isinstance(found.value, dict) else (BASE,)


def is_study(path: Path) -> bool:
    """Whether the file also holds a study, which bench/study/ reads."""
    return yamlfile.load(find_protocol(path)).get("study") is not None


def _at_scale(root: Node, scale: str | None) -> Node:
    """Return the document at a scale; a scale's dotted keys are paths, as for --set."""
    named = root.get("scales")
    known = named.value if named and isinstance(named.value, dict) else {}
    if scale in (None, BASE):
        return root
    if scale not in known:
        raise UserError(
            f"--scale {scale}: {root.place.rpartition(':')[0]} has no such scale{nearest(scale or '', [BASE, *known])}"
        )
    over: Node = known[scale]
    if not isinstance(over.value, dict):
        raise UserError(f"{over.place}: scales.{scale}: a mapping (key: value) is needed, not {describe(over.plain())}")
    dotted = [key for key in over.value if "." in key]
    merged = yamlfile.merge(root, over.without(*dotted), sweep.SELECTIONS)
    for key in dotted:
        child = over.value[key]
        merged = sweep.assign(merged, key, Node(child.value, over.keys[key], child.keys))
    return merged


def _with_source(root: Node, spec: str) -> Node:
    section = root.get("data")
    if section is None or not isinstance(section.value, dict):
        return root
    given = section.get("source")
    before = given.plain() if given else DataSpec.model_fields["source"].default
    if str(before).partition(":")[0] != spec.partition(":")[0]:
        section = section.without("options")
    return root.with_entry("data", section, root.keys["data"]).with_path(
        ["data", "source"], Node(spec, f"--data {spec}")
    )


def _with_models(root: Node, names: Sequence[str]) -> Node:
    """Return the document with more adapters after its models, unless it has them."""
    models = root.get("models")
    for name in names:
        if models and isinstance(models.value, list) and all(sweep.names(entry)[1] != name for entry in models.value):
            models = Node([*models.value, Node(name, f"--adapter {name}")], models.place)
    return root if models is None else root.with_entry("models", models, root.keys["models"])


def _override(root: Node, overrides: Sequence[str]) -> tuple[Node, list[str]]:
    """Return the document with every --set that applies, and the faults of the others."""
    faults: list[str] = []
    for text in overrides:
        place = f"--set {text}"
        try:
            key, equals, value = text.partition("=")
            if not equals or not key.strip():
                raise UserError(f"{place}: write it as KEY=VALUE, e.g. users.train=50")
            if key.partition(".")[0] == "scales":
                raise UserError(f"{place}: scales are applied before --set; set the value itself")
            root = sweep.assign(root, key.strip(), yamlfile.parse(value, place, lines=False))
        except UserError as error:
            faults += error.messages
    return root, faults


def _faults_of_other_scales(root: Node, scale: str | None) -> list[tuple[str, str]]:
    """Return faults in the lines of scales that were not asked for."""
    section = root.get("scales")
    found: list[tuple[str, str]] = []
    for name, over in (section.value if section and isinstance(section.value, dict) else {}).items():
        if name == scale:
            continue
        try:
            reader = Reader(_at_scale(root, name))
            reader.protocol(name, ())
            own = _places(over)
            found += [(place, text) for place, text in reader.faults if place in own]
        except UserError as error:
            found += [(place, text) for place, _, text in (line.partition(": ") for line in error.messages)]
    return found


def _places(node: Node) -> set[str]:
    children = (
        node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    )
    return {node.place, *node.keys.values()}.union(*(_places(child) for child in children))
