"""From names of adapters to their classes. Listing imports none of them; outsiders' adapters work the same way."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from bench.adapters.adapter import Adapter

PACKAGES = ("baselines", "baselines.statistics", "baselines.trees", "models")
OURS = ("bench", "baselines", "models")
FLOOR = ("user_mode", "slot_mode", "kernel_vote")  # what every leaderboard shows beside its models
ENTRY_POINTS = "mobility_bench.adapters"
Introduce = Callable[[str, str], "type[Adapter]"]
_introduce: Introduce | None = None
_stand_ins: dict[str, type[Adapter]] = {}
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
    return _is_ours(names().get(name, ""))


def _is_ours(target: str) -> bool:
    """Whether a target lies in this project's packages, which Python finds before all others."""
    return ".py:" not in target and target.partition(".")[0] in OURS


def add(target: str) -> str:
    """Register ``module:Class`` or ``FILE.py:Class`` for this process; return the adapter's name.

    Python searches for a module as usual, and in the current folder last of all, so installed packages come first.
    Raises UserError if there is no such adapter.
    """
    left, _, name = target.rpartition(":")
    if left.endswith(".py"):
        target = f"{Path(left).expanduser().resolve()}:{name}"
    adapter = find(target, target)
    if adapter.name in _own() or _extra.get(adapter.name, target) != target:
        raise UserError(f"adapter {target}: the name '{adapter.name}' is taken; give the class another `name`")
    _extra[adapter.name] = target
    return adapter.name


def target_of(name: str) -> str | None:
    """Return the target that :func:`add` got for an adapter, for its worker to use too; None for others."""
    return _extra.get(name)


def folder_of(name: str) -> str | None:
    """Return the folder from which an outsider's module is imported, for its worker to find the same one."""
    return None if is_own(name) else home_of(names()[name])


def names() -> dict[str, str]:
    """All known adapters: name -> ``module`` or ``module:Class``. Imports none of them."""
    return {**_installed(), **_own(), **_extra}


def get(name: str) -> type[Adapter]:
    """Return the adapter class. Raises UserError with the nearest name if there is none."""
    known = names()
    if name not in known:
        raise UserError(f"model '{name}' is not known{nearest(name, known)}")
    return find(known[name], name)


def make(name: str, settings: dict[str, object] | None = None) -> Adapter:
    """Build an adapter with its settings. Raises UserError listing every wrong setting."""
    return build(get(name), settings or {})


def build(adapter: type[Adapter], settings: dict[str, object]) -> Adapter:
    """Build an adapter of a class. Raises UserError listing every wrong setting."""
    from pydantic import ValidationError

    try:
        return adapter(adapter.Settings(**settings))
    except ValidationError as error:
        raise UserError(*explain(error, f"model '{adapter.name}'", adapter.Settings)) from None


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> list[str]:
    """Turn a pydantic error into one line per fault, with the nearest name for an unknown key."""
    lines = []
    for fault in error.errors():
        field = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            lines.append(f"{where}: '{field}' is not known{nearest(field, model.model_fields)}")
        else:
            lines.append(f"{where}: {field or 'value'}: {fault['msg']} (got {fault['input']!r})")
    return lines


def keep_outside(introduce: Introduce) -> None:
    """Import no outsider's module in this process from now on: ``introduce`` gives a stand-in for each class.

    introduce(target, name) returns a class with the name, version and kind of the real one; it accepts any settings. A
    process that will hold the truth calls this first (bench/running/outsiders.py).
    """
    global _introduce
    _introduce = introduce
    _stand_ins.clear()


def find(target: str, name: str) -> type[Adapter]:
    """Return the class that a target means: ``module:Class``, ``FILE.py:Class``, or a module with one of that name.

    Raises UserError where it cannot be imported.
    """
    if _introduce is None or _is_ours(target):
        return _find(target, name)
    if target not in _stand_ins:
        _stand_ins[target] = _introduce(target, name)
    return _stand_ins[target]


def _find(target: str, name: str) -> type[Adapter]:
    module_name, _, class_name = target.rpartition(":") if ":" in target else (target, "", "")
    try:
        module = _module_of_file(Path(module_name)) if module_name.endswith(".py") else _module(module_name)
    except OSError as error:
        raise UserError(f"adapter '{name}': {module_name}: cannot be read ({error.strerror or error})") from None
    except Exception as error:
        hint = "install it, put it on PYTHONPATH, or give the file: FILE.py:Class"
        why = f"{type(error).__name__}: {error}"
        raise UserError(f"adapter '{name}': cannot import {module_name} ({why}); {hint}") from None
    if class_name:
        found = [c for c in [getattr(module, class_name, None)] if _is_adapter(c)]
    else:
        found = [c for c in vars(module).values() if _is_adapter(c) and c.__dict__.get("name") == name]
    if len(found) != 1:
        raise UserError(f"adapter '{name}': {target} holds no Adapter class with name = '{name}'")
    return found[0]


def _module(name: str) -> ModuleType:
    """Import a module, with the current folder as the last place to look."""
    with _here_last():
        return importlib.import_module(name)


@contextmanager
def _here_last() -> Iterator[None]:
    """Let Python look in the current folder after all other places."""
    before = list(sys.path)
    sys.path.append(str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


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


def home_of(target: str) -> str | None:
    """Return the folder in which a target's file or top-level package lies, without importing it."""
    left = target.rpartition(":")[0] or target
    if left.endswith(".py"):
        return str(Path(left).parent)
    with _here_last():
        spec = importlib.util.find_spec(left.partition(".")[0])
    places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
    return str(Path(places[0]).resolve().parent) if places else None


def _is_adapter(thing: object) -> TypeGuard[type[Adapter]]:
    from bench.adapters.adapter import Adapter

    return inspect.isclass(thing) and issubclass(thing, Adapter) and not inspect.isabstract(thing)
