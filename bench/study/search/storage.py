"""Where a study's trials are kept: a SQLite file, a journal file, or a database that Optuna can reach."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from bench.adapters import registry
from bench.errors import UserError
from bench.protocol import sweep
from bench.protocol.yamlfile import Key
from bench.study.spec.schema import Study

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from sqlalchemy import Connection

T = TypeVar("T")
Parts = tuple[str, ...]  # names one inside the other
JOURNAL = "journal:"
PLACE = "storage"  # what errors call it where nothing names it
TRIES = 9  # workers that make tables at the same time
LOCKED_AFTER_S = 30  # a SQLite file that another program holds longer is called locked
FILE, DATA = "file", "data"  # attributes of the study: what its file said, fingerprints of its cities


def open_storage(spec: str, place: str = PLACE) -> BaseStorage:
    """Open ``journal:FILE`` or an Optuna URL (sqlite:///FILE, postgresql+psycopg://...).

    place: what named it, for errors. Raises UserError.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _opening(spec, place):
        return _patiently(partial(_connect, spec))


def _connect(spec: str) -> BaseStorage:
    from filelock import FileLock
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy import make_url
    from sqlalchemy.event import listen

    if spec.startswith(JOURNAL):
        path = spec.removeprefix(JOURNAL)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        ends_with_its_holder: Any = FileLock(f"{path}.flock")  # Optuna's own outlive a killed worker by 30 s
        return JournalStorage(JournalFileBackend(path, lock_obj=ends_with_its_holder))
    url = make_url(spec)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        autocommit = {"timeout": LOCKED_AFTER_S, "isolation_level": None}  # sqlite3 itself begins no transaction
        storage = RDBStorage(spec, engine_kwargs={"connect_args": autocommit})
        listen(storage.engine, "begin", _begin_for_writing)
        return storage
    return RDBStorage(spec, engine_kwargs={"pool_pre_ping": True})


def _begin_for_writing(connection: Connection) -> None:
    """Keep other workers of a SQLite file out from a transaction's first read on.

    SQLite knows no SELECT ... FOR UPDATE, by which Optuna keeps two workers from taking one waiting trial.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_study(study: Study, storage: BaseStorage, spec: str, *, accept: bool, place: str = PLACE) -> optuna.Study:
    """Make the study, or open the one that is there.

    Raises UserError where the storage is not reachable, or holds another study of that name, or trials of a study file
    that said otherwise (unless ``accept``).
    """
    import optuna

    directions: Any = list(study.spec.objectives.values())
    make = partial(
        optuna.create_study, storage=storage, study_name=study.name, directions=directions, load_if_exists=True
    )
    with _opening(spec, place):
        found = _patiently(make)
        _agree(study, found, f"{place} {shown(spec)}", accept=accept)
    return found


def _patiently(make: Callable[[], T]) -> T:
    """Make tables or a study, once more where another worker was making the very same."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    for _ in range(TRIES):
        try:
            return make()
        except (SQLAlchemyError, OptunaError) as error:
            said = f"{error} {error.__cause__}".lower()
            if not any(word in said for word in ("already exists", "unique constraint")):
                raise
        time.sleep(0.5)
    return make()


@contextmanager
def told(spec: str, place: str = PLACE) -> Iterator[None]:
    """Turn what a storage raises into a UserError of one line."""
    from optuna.exceptions import OptunaError, UpdateFinishedTrialError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except UpdateFinishedTrialError:
        raise
    except (SQLAlchemyError, OptunaError) as error:
        raise UserError(f"{place} {shown(spec)}: {_why(error)}") from None


@contextmanager
def _opening(spec: str, place: str) -> Iterator[None]:
    """Turn what goes wrong while a storage is opened into a UserError of one line."""
    where = f"{place} {shown(spec)}"
    unread = (json.JSONDecodeError, KeyError, TypeError) if spec.startswith(JOURNAL) else ()
    try:
        with told(spec, place):
            yield
    except ImportError as error:
        lacking = getattr(error.__cause__ or error, "name", None) or "its package"
        raise UserError(f"{where}: its driver is missing ({lacking}); install it") from None
    except unread:
        raise UserError(f"{where}: the file is no journal of Optuna; choose another") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{where}: {_why(error)}") from None


def _agree(study: Study, found: optuna.Study, where: str, *, accept: bool) -> None:
    """Compare what the file says with what it said when the trials were made."""
    wanted, before = described(study), found.user_attrs.get(FILE)
    if before is None:
        directions = [direction.name.lower() for direction in found.directions]
        if directions != list(study.spec.objectives.values()) or found.get_trials(deepcopy=False):
            raise UserError(f"{where}: the study '{study.name}' in it is not of this program; choose another storage")
    changes = list(_changes(before or wanted, wanted))
    fixed = any(path[:2] in (("study", "space"), ("study", "objectives")) for path, _, _ in changes)
    if changes and (fixed or not accept):
        mend = "go on under --accept-changes, or raise the file's version"
        if fixed:
            mend = "trials of another space or objective do not compare: raise the file's version"
        under = f"under the trials of '{study.name}' ({where})"
        raise UserError(*(f"{_field(study, path)}: {was} -> {now} {under}; {mend}" for path, was, now in changes))
    if changes or before is None:
        found.set_user_attr(FILE, wanted)


def _field(study: Study, path: Parts) -> str:
    """Return line and name of a part that :func:`described` names."""
    steps: list[Key] = list(path)
    if path[0] == "model":
        entries = study.document.value["models"].value
        at = next((i for i, entry in enumerate(entries) if study.model.startswith(sweep.names(entry)[0])), 0)
        steps = ["models", at, *path[1:]]
        path = ("models", study.model, *(step for step in path[1:] if step != "settings"))
    return f"{study.document.place_of(steps)}: {'.'.join(path)}"


def agree_on_data(
    found: optuna.Study, marks: Mapping[str, str], spec: str, *, accept: bool, place: str = PLACE
) -> None:
    """Compare the cities' rows with those under the trials; marks: city -> fingerprint.

    Raises UserError where a city's rows are others now, unless ``accept``.
    """
    before = found.user_attrs.get(DATA, {})
    others = [city for city, mark in marks.items() if before.get(city, mark) != mark]
    if others and not accept:
        raise UserError(
            f"{place} {shown(spec)}: under the trials of '{found.study_name}' the rows of {', '.join(others)} were "
            "others than the data hold now; bring them back, go on under --accept-changes, or raise the file's version"
        )
    if {**before, **marks} != before:
        found.set_user_attr(DATA, {**before, **marks})


def described(study: Study) -> dict[str, Any]:
    """Return what trials depend on: the file without what may change freely (totals, limits, storage, words)."""
    plain = study.document.plain()
    model = study.protocol.models[0]
    spec = study.spec
    kept = {key: plain[key] for key in ("data", "window", "splits", "users", "metrics", "answers") if key in plain}
    kept["data"] = {**kept["data"], "source": study.protocol.data.source.partition(":")[0]}
    return {
        **kept,
        "seeds": list(study.protocol.seeds),
        "model": {"use": model.use, "version": registry.get(model.use).version, "settings": dict(model.settings)},
        "study": {
            "asked": spec.asked,
            "space": {axis.name: spec.space[axis.name] for axis in study.axes},
            "objectives": [list(item) for item in spec.objectives.items()],
            "sampler": spec.sampler.model_dump(),
            "pruner": spec.pruner.model_dump(),
            "untuned": spec.untuned,
        },
    }


def _changes(before: Any, now: Any, path: Parts = ()) -> Iterator[tuple[Parts, str, str]]:
    """Yield each part that differs: its path, what it was and what it is."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            yield from _changes(before.get(key), now.get(key), (*path, key))
    elif before != now:
        pairs = path == ("study", "objectives")
        yield path, _plain(dict(before) if pairs else before), _plain(dict(now) if pairs else now)


def _plain(value: Any) -> str:
    """Write a value as a study file has it."""
    if value is None:
        return "not set"
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("...\n").strip()


def shown(spec: str) -> str:
    """Return a storage's name without its password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return spec if spec.startswith(JOURNAL) else make_url(spec).render_as_string(hide_password=True)
    except ArgumentError:
        return spec


def _why(error: Exception) -> str:
    """Say in one line what kept a storage shut."""
    cause = error.__cause__ or error
    text = " ".join(str(getattr(cause, "orig", None) or cause).split())
    low = text.lower()
    if "locked" in low:
        return "it is locked by another program; stop that, or choose another storage"
    if any(word in low for word in ("not a database", "malformed")):
        return "the file is no SQLite database; choose another"
    if "unable to open" in low or isinstance(error, OSError):
        return f"it cannot be opened ({text[:200]}); is the folder there, and may it be written?"
    if any(
        word in low for word in ("could not connect", "connection", "reconnect", "resolve", "refused", "authentication")
    ):
        return f"it cannot be reached ({text[:300]})"
    if any(word in low for word in ("no such column", "has no column", "no such table", "undefined", "does not exist")):
        return f"its tables are not those of this Optuna ({text[:200]}); choose another"
    if "could not parse" in low or "load plugin" in low:
        return "this is no storage; write sqlite:///FILE, journal:FILE or postgresql+psycopg://USER@HOST/NAME"
    return text[:400]
