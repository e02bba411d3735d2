"""A protocol written out in full, with every default, so that it can be read again."""

from __future__ import annotations

from typing import Any

from bench.adapters import registry
from bench.protocol.schema import SCHEMA, ModelSpec, Protocol, SplitEntry, UsersSpec, WindowSpec
from bench.protocol.yamlfile import Node


def resolved(protocol: Protocol, root: Node) -> dict[str, Any]:
    """Return the content of a file that asks the same with nothing left to defaults.

    root: the document that the protocol was read from. Sweeps over models become separate models. Sweeps over users and
    windows stay, because splits have no names to tell them apart; so does a study's section. The scale is applied, and
    no scales are left.
    """
    swept = root.get("sweep")
    kept = {key: value for key, value in (swept.plain() if swept else {}).items() if not key.startswith("models.")}
    fields = protocol.model_dump(mode="json", exclude={"schema_version", "notes", "scale", "splits", "users", "models"})
    window = WindowSpec(history=protocol.window.history, horizon=protocol.window.horizon)
    return {
        "schema": SCHEMA,
        **{name: fields.pop(name) for name in ("name", "version", "about", "data")},
        "window": window.model_dump(mode="json"),
        "splits": [_split(node, protocol, kept) for node in root.value["splits"].value],
        "users": _users(protocol.users),
        **({"sweep": kept} if kept else {}),
        "models": [_model(model) for model in protocol.models],
        **{name: value for name, value in fields.items() if name != "window"},
        **({"study": study.plain()} if (study := root.get("study")) else {}),
    }


def _split(node: Node, protocol: Protocol, swept: dict[str, Any]) -> dict[str, Any]:
    """Fill in the training days; a sweep over windows gives each of them its own."""
    entry = SplitEntry.model_validate(node.plain())
    if not any(key.startswith("window.") for key in swept):
        entry = entry.model_copy(update={"train": entry.train.within(protocol.window)})
    return entry.model_dump(mode="json", exclude_defaults=True)


def _users(users: UsersSpec) -> dict[str, Any]:
    return {
        **{role: chosen.plain() for role, chosen in users.by_role().items()},
        "roles": users.roles,
        "ask": users.ask,
    }


def _model(model: ModelSpec) -> dict[str, Any]:
    settings = registry.make(model.use, dict(model.settings)).settings.model_dump(mode="json")
    return {"use": model.use, "name": model.name, "settings": settings}
