"""Where a study's trials are kept: a SQLite file, a journal file, or a database that Optuna can reach."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.errors import UserError
from bench.study.schema import Study

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

JOURNAL = "journal:"
LOCKED_AFTER_S = 30  # a SQLite file that another program holds longer is called locked
FILE, DATA = "file", "data"  # attributes of the study: what its file said, fingerprints of its cities


def open_storage(spec: str) -> BaseStorage:
    """Open ``journal:FILE`` or an Optuna URL (sqlite:///FILE, postgresql+psycopg://...). Raises UserError."""
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if spec.startswith(JOURNAL):
            path = spec.removeprefix(JOURNAL)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        if spec.startswith("sqlite:///"):
            Path(spec.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            return RDBStorage(spec, engine_kwargs={"connect_args": {"timeout": LOCKED_AFTER_S}})
        return RDBStorage(spec, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        lacking = getattr(error.__cause__ or error, "name", None) or "its package"
        raise UserError(f"storage {shown(spec)}: its driver is missing ({lacking}); install it") from None
    except (SQLAlchemyError, OSError, ValueError, RuntimeError, optuna.exceptions.OptunaError) as error:
        raise UserError(f"storage {shown(spec)}: {_why(error)}") from None


def open_study(study: Study, storage: BaseStorage, spec: str, *, accept: bool) -> optuna.Study:
    """Make the study, or open the one that is there.

    Raises UserError where the storage is not reachable, or holds another study of that name, or trials of a study file
    that said otherwise (unless ``accept``).
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    directions: Any = list(study.spec.objectives.values())
    where = f"storage {shown(spec)}"
    try:
        for again in (False, False, True):
            try:
                found = optuna.create_study(
                    storage=storage, study_name=study.name, directions=directions, load_if_exists=True
                )
                break
            except (SQLAlchemyError, optuna.exceptions.OptunaError):
                if again:
                    raise
                time.sleep(1.0)  # another worker may be making the very study
        _agree(study, found, where, accept=accept)
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{where}: {_why(error)}") from None
    return found


def _agree(study: Study, found: optuna.Study, where: str, *, accept: bool) -> None:
    """Compare what the file says with what it said when the trials were made."""
    wanted, before = described(study), found.user_attrs.get(FILE)
    if before is None:
        if found.get_trials(deepcopy=False):
            raise UserError(f"{where}: the study '{study.name}' in it is not of this program; choose another storage")
        found.set_user_attr(FILE, wanted)
        return
    changes = list(_changes(before, wanted))
    if not changes:
        return
    what = f"{where}: the study file changed under the trials of '{study.name}': {'; '.join(changes)}"
    if [d.name.lower() for d in found.directions] != list(study.spec.objectives.values()):
        raise UserError(f"{what}; objectives cannot change: raise the file's version")
    fixed = [change for change in changes if change.startswith(("study.space", "study.objectives"))]
    if fixed:
        raise UserError(f"{what}; trials of another space or objective do not compare: raise the file's version")
    if not accept:
        raise UserError(f"{what}; go on under --accept-changes, or raise the file's version")
    found.set_user_attr(FILE, wanted)


def agree_on_data(found: optuna.Study, marks: Mapping[str, str], spec: str, *, accept: bool) -> None:
    """Compare the cities' rows with those under the trials; marks: city -> fingerprint.

    Raises UserError where a city's rows are others now, unless ``accept``.
    """
    before = found.user_attrs.get(DATA, {})
    others = [city for city, mark in marks.items() if before.get(city, mark) != mark]
    if others and not accept:
        raise UserError(
            f"storage {shown(spec)}: under the trials of '{found.study_name}' the rows of {', '.join(others)} were "
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


def _changes(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield each part that differs, as ``users.train: 60 -> 80``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            yield from _changes(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield f"{path}: {before} -> {now}"


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
    text = " ".join(str(error.__cause__ or error).split())
    low = text.lower()
    if "locked" in low:
        return "it is locked by another program; stop that, or choose another storage"
    if any(word in low for word in ("not a database", "malformed")):
        return "the file is no SQLite database; choose another"
    if "unable to open" in low or isinstance(error, OSError):
        return f"it cannot be opened ({text[:200]}); is the folder there, and may it be written?"
    if any(word in low for word in ("could not connect", "connection", "resolve", "refused", "authentication")):
        return f"it cannot be reached ({text[:300]})"
    if "could not parse" in low or "load plugin" in low:
        return "this is no storage; write sqlite:///FILE, journal:FILE or postgresql+psycopg://USER@HOST/NAME"
    return text[:400]
