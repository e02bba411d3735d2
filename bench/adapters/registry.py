"""Names of adapters -> their classes. Listing imports nothing of them; an outsider's adapter is found the same way."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import zlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from bench.adapters.adapter import Adapter

PACKAGES = ("baselines", "baselines.statistics", "baselines.trees", "models")
FLOOR = ("user_mode", "slot_mode", "kernel_vote")  # what every leaderboard shows beside its models
ENTRY_POINTS = "mobility_bench.adapters"
_extra: dict[str, str] = {}  # name -> module:Class or FILE.py:Class, as add was given them


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


def is_own(name: str) -> bool:
    """Tell whether an adapter is one of this project's."""
    return name in _own()


def add(target: str) -> str:
    """Register ``module:Class`` or ``FILE.py:Class`` for this process; return the adapter's name.

    A module is looked for where Python looks, and last of all in the current folder: what lies there never comes before
    an installed package. Raises UserError if there is no such adapter.
    """
    left, _, name = target.rpartition(":")
    if left.endswith(".py"):
        target = f"{Path(left).expanduser().resolve()}:{name}"
    adapter = _resolve(target, target)
    if adapter.name in _own() or _extra.get(adapter.name, target) != target:
        raise UserError(f"adapter {target}: the name '{adapter.name}' is taken; give the class another `name`")
    _extra[adapter.name] = target
    return adapter.name


def extra_targets() -> tuple[str, ...]:
    """What :func:`add` was given, so that a worker process can be given the same."""
    return tuple(_extra.values())


def extra_folders() -> tuple[str, ...]:
    """Folders from which outsiders' modules were imported, for a worker process to find the same ones."""
    targets = {name: target for name, target in names().items() if name not in _own() and target in _resolved}
    return tuple(dict.fromkeys(_home(_resolved[target]) for target in targets.values()))


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
    module_name, _, class_name = target.rpartition(":") if ":" in target else (target, "", "")
    try:
        module = _module_of_file(Path(module_name)) if module_name.endswith(".py") else _module(module_name)
    except OSError as error:
        raise UserError(f"adapter '{name}': {module_name}: cannot be read ({error.strerror or error})") from None
    except Exception as error:
        hint = "install it, put it on PYTHONPATH, or give the file: FILE.py:Class"
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"adapter '{name}': cannot import {module_name} ({why}); {hint}") from None
    _resolved[target] = module.__name__
    if class_name:
        found = [c for c in [getattr(module, class_name, None)] if _is_adapter(c)]
    else:
        found = [c for c in vars(module).values() if _is_adapter(c) and c.__dict__.get("name") == name]
    if len(found) != 1:
        raise UserError(f"adapter '{name}': {target} holds no Adapter class with name = '{name}'")
    return found[0]


_resolved: dict[str, str] = {}  # target -> the name that its module has here


def _module(name: str) -> ModuleType:
    """Import a module, with the current folder as the last place to look."""
    here = str(Path.cwd())
    if name.partition(".")[0] in sys.modules or here in sys.path:
        return importlib.import_module(name)
    sys.path.append(here)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)


def _module_of_file(path: Path) -> ModuleType:
    """Import a file under a name that no other module has; files beside it can be imported, after all else."""
    if not path.is_file():
        raise FileNotFoundError(2, "there is no such file")
    name = f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if name not in sys.modules:
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None  # noqa: PT018
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _home(module: str) -> str:
    """Return the folder in which a module's top-level package or file lies."""
    top = sys.modules[module.partition(".")[0]]
    if not hasattr(top, "__path__"):
        return str(Path(str(top.__file__)).resolve().parent)
    return str(Path(next(iter(top.__path__))).resolve().parent)


def _is_adapter(thing: object) -> TypeGuard[type[Adapter]]:
    from bench.adapters.adapter import Adapter

    return inspect.isclass(thing) and issubclass(thing, Adapter) and not inspect.isabstract(thing)
