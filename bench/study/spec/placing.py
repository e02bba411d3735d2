"""Turns a point of a study's space into a protocol: the choices are put into the file's document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.adapters import registry
from bench.errors import UserError
from bench.protocol import sweep
from bench.protocol.checking import Reader
from bench.protocol.schema import ModelSpec, Protocol
from bench.protocol.yamlfile import Node
from bench.study.spec.schema import Axis, Point, Study

TRAIN = ("splits", "0", "train")
VALIDATION = "validation"
FALLBACK = "bench.study.search.fallback:Fallback"


def place(root: Node, axes: Sequence[Axis], point: Point) -> Node | None:
    """Return the document at a point; None if no city is left to train on. Raises UserError for a wrong path."""
    shares: dict[str, Node] = {}
    for axis in axes:
        node = as_node(axis.value(point[axis.name]), axis.place)
        if axis.name == "cities":
            root = root.with_path([*TRAIN, "cities"], node)
        elif axis.name.startswith("shares."):
            shares[axis.name.removeprefix("shares.")] = node
        else:
            root = sweep.assign(root, axis.name, node)
    return _with_shares(root, shares)


def _with_shares(root: Node, shares: dict[str, Node]) -> Node | None:
    """Set the shares of cities; a city whose share is 0 trains nobody, and one that does not train has no share."""
    train = _at(root, TRAIN)
    cities = train.get("cities") if train else None
    if train is None or cities is None or not isinstance(cities.value, list):
        return root
    for city, node in shares.items():
        root = root.with_path([*TRAIN, "shares", city], node)
    none = [city for city, node in shares.items() if node.value == 0]
    left = [node for node in cities.value if node.value not in none]
    if not left:
        return None
    root = root.with_path([*TRAIN, "cities"], Node(left, cities.place))
    given = _at(root, (*TRAIN, "shares"))
    if given is None or not isinstance(given.value, dict):
        return root
    here = {node.value for node in left}
    known = {node.value for node in _all_cities(root)}
    absent = [city for city, node in given.value.items() if city not in here and (city in known or node.value == 0)]
    return root.with_path([*TRAIN, "shares"], given.without(*absent))


def _all_cities(root: Node) -> list[Node]:
    found = _at(root, ("data", "cities"))
    return found.value if found and isinstance(found.value, list) else []


def _at(root: Node, path: Sequence[str]) -> Node | None:
    node: Node | None = root
    for step in path:
        if node is None:
            return None
        if isinstance(node.value, list):
            node = node.value[int(step)] if int(step) < len(node.value) else None
        else:
            node = node.get(step)
    return node


def as_node(value: Any, where: str) -> Node:
    """Return a plain value as Nodes that share one place."""
    if isinstance(value, dict):
        return Node({k: as_node(v, where) for k, v in value.items()}, where, dict.fromkeys(value, where))
    if isinstance(value, list):
        return Node([as_node(v, where) for v in value], where)
    return Node(value, where)


def protocol_at(study: Study, point: Point | None, *, test: bool = False) -> Protocol:
    """Return the protocol of a trial, or of the empty set of cities (None, or all shares 0).

    test: ask test users, not validation users.
    """
    root = None if point is None else place(study.document, study.axes, point)
    return _untuned(study, test) if root is None else _read(study, root, test)


def _untuned(study: Study, test: bool) -> Protocol:
    """Return the protocol of the untuned model, or of the fallback alone if a model has no untuned state."""
    if study.untuned:
        root = study.document
        for path, value in study.untuned.items():
            root = sweep.assign(root, path, as_node(value, "study.untuned"))
        return _read(study, root, test)
    return _of_model(study, registry.add(FALLBACK), f"{study.protocol.answers.fallback} alone", test)


def protocol_of_floor(study: Study, model: str, *, test: bool = False) -> Protocol:
    """Return the protocol of a model that learns from nobody, on the users that a trial asks (or the test users)."""
    return _of_model(study, model, model, test)


def _of_model(study: Study, use: str, name: str, test: bool) -> Protocol:
    """Return the study's protocol with another model and only the first seed: the model has no randomness."""
    model = ModelSpec(use=use, name=name)
    return _ask(study, study.protocol, test).model_copy(update={"models": (model,), "seeds": study.protocol.seeds[:1]})


def _read(study: Study, root: Node, test: bool) -> Protocol:
    reader = Reader(root)
    found = reader.protocol(study.protocol.scale, (study.model,))
    if found is None or reader.faults:
        raise UserError(*(f"{where}: {text}" for where, text in reader.faults))
    return _ask(study, found, test)


def _ask(study: Study, protocol: Protocol, test: bool) -> Protocol:
    """Ask the right users, measure what the study seeks, and let records say that validation users were asked."""
    metrics = protocol.metrics
    more = tuple(name for name in study.metrics if name not in (metrics.main, *metrics.also))
    asked = None if test else study.spec.asked
    return protocol.model_copy(
        update={
            "name": protocol.name if test else f"{protocol.name}.{VALIDATION}",
            "splits": tuple(split.model_copy(update={"asked": asked}) for split in protocol.splits),
            "metrics": metrics.model_copy(update={"also": (*metrics.also, *more)}),
        }
    )
