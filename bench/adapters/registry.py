"""Names of adapters -> their classes. Listing imports nothing of them; an outsider's adapter is found the same way."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from bench.adapters.adapter import Adapter

PACKAGES = ("baselines", "baselines.statistics", "baselines.trees", "models")
FLOOR = ("user_mode", "slot_mode", "kernel_vote")  # what every leaderboard shows beside its models
ENTRY_POINTS = "mobility_bench.adapters"
_extra: dict[str, str] = {}


@cache
def _own() -> dict[str, str]:
    """Adapter name -> module, by the names of files and folders alone."""
    root = Path(__file__).resolve().parents[2]
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((root / package.replace(".", "/")).glob("*")):
            module = f"{package}.{path.stem}"
            is_module = path.suffix == ".py" or (path / "__init__.py").exists()
            if is_module and not path.name.startswith("_") and module not in PACKAGES:
                found[path.stem] = module
    return found


@cache
def _installed() -> dict[str, str]:
    """Adapters of other installed packages, from the entry-point group ``mobility_bench.adapters``."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def add(target: str) -> str:
    """Register ``module:Class`` for this process; return the adapter's name. Raises UserError if it cannot be had."""
    adapter = _resolve(target, target)
    if adapter.name in _own() or _extra.get(adapter.name, target) != target:
        raise UserError(f"adapter {target}: the name '{adapter.name}' is taken; give the class another `name`")
    _extra[adapter.name] = target
    return adapter.name


def extra_targets() -> tuple[str, ...]:
    """What :func:`add` was given, so that a worker process can be given the same."""
    return tuple(_extra.values())


def names() -> dict[str, str]:
    """All known adapters: name -> ``module`` or ``module:Class``. Imports none of them."""
    return {**_installed(), **_own(), **_extra}


def get(name: str) -> type[Adapter]:
    """Return the adapter class. Raises UserError with the nearest name if there is none."""
    known = names()
    if name not in known:
        raise UserError(f"model '{name}' is not known{nearest(name, known)}")
    return _resolve(known[name], name)


def make(name: str, settings: dict[str, object] | None = None) -> Adapter:
    """Build an adapter with its settings. Raises UserError listing every wrong setting."""
    from pydantic import ValidationError

    adapter = get(name)
    try:
        return adapter(adapter.Settings(**(settings or {})))
    except ValidationError as error:
        raise UserError(*explain(error, f"model '{name}'", adapter.Settings)) from None


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> list[str]:
    """Turn a pydantic error into one line a fault, with the nearest name for an unknown key."""
    lines = []
    for fault in error.errors():
        field = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            lines.append(f"{where}: '{field}' is not known{nearest(field, model.model_fields)}")
        else:
            lines.append(f"{where}: {field or 'value'}: {fault['msg']} (got {fault['input']!r})")
    return lines


def _resolve(target: str, name: str) -> type[Adapter]:
    module_name, _, class_name = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        hint = "install it or put it on PYTHONPATH"
        raise UserError(f"adapter '{name}': cannot import {module_name} ({error}); {hint}") from None
    if class_name:
        found = [c for c in [getattr(module, class_name, None)] if _is_adapter(c)]
    else:
        found = [c for c in vars(module).values() if _is_adapter(c) and c.__dict__.get("name") == name]
    if len(found) != 1:
        raise UserError(f"adapter '{name}': {target} holds no Adapter class with name = '{name}'")
    return found[0]


def _is_adapter(thing: object) -> TypeGuard[type[Adapter]]:
    from bench.adapters.adapter import Adapter

    return inspect.isclass(thing) and issubclass(thing, Adapter) and not inspect.isabstract(thing)
