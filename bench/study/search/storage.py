"""Opens a study in its storage, and refuses to continue silently with another file or other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from bench.adapters import registry
from bench.errors import UserError
from bench.protocol import sweep
from bench.protocol.yamlfile import Key
from bench.study.search.address import Address
from bench.study.spec.schema import Study

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

Parts = tuple[str, ...]  # names one inside the other
LOCKED_AFTER_S = 30  # a SQLite file that another program holds longer is called locked
FILE, DATA = "file", "data"  # attributes of the study: what its file said, fingerprints of its cities
OPERATION = b'{"op_code":'  # how each line of Optuna's journals begins


def open_storage(address: Address) -> BaseStorage:
    """Open a storage; make the file or the tables if they are not there. Raises UserError."""
    import optuna
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with address.opening():
        if address.file:
            address.file.parent.mkdir(parents=True, exist_ok=True)
        if address.url is None:
            return _open_journal(address)
        extra = {"connect_args": {"timeout": LOCKED_AFTER_S}} if address.file else {"pool_pre_ping": True}
        return RDBStorage(address.url.render_as_string(hide_password=False), engine_kwargs=extra)


def _open_journal(address: Address) -> BaseStorage:
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    ends_with_its_holder: Any = FileLock(f"{address.file}.flock")  # Optuna's own outlive a killed process by 30 s
    return JournalStorage(JournalFileBackend(str(address.file), lock_obj=ends_with_its_holder))


def mend_journal(address: Address) -> int:
    """Cut off a journal's last line if its writing was cut short; return how many bytes went.

    Optuna would append to that line and then be unable to read either. Only the one driver may call this; a file that
    is not a journal stays as it is.
    """
    if address.url or address.file is None or not address.file.exists():
        return 0
    with address.file.open("rb+") as file:
        begin = file.read(len(OPERATION))
        if not begin or not OPERATION.startswith(begin):
            return 0
        file.seek(0)
        whole = 0
        for line in file:
            whole += len(line) if line.endswith(b"\n") else 0
        torn = file.tell() - whole
        if torn:
            file.truncate(whole)
    return torn


def open_study(study: Study, storage: BaseStorage, address: Address, *, accept: bool) -> optuna.Study:
    """Make the study, or open the one that is there.

    Raises UserError if the storage is unreachable, holds another study of that name, or has trials of a different study
    file (unless ``accept``).
    """
    import optuna

    directions: Any = list(study.spec.objectives.values())
    with address.opening():
        found = optuna.create_study(storage=storage, study_name=study.name, directions=directions, load_if_exists=True)
    with address.told():
        _agree(study, found, str(address), accept=accept)
    return found


def _agree(study: Study, found: optuna.Study, where: str, *, accept: bool) -> None:
    """Compare the file with the one that the trials were made from."""
    wanted, before = described(study), found.user_attrs.get(FILE)
    if before is None:
        directions = [direction.name.lower() for direction in found.directions]
        if directions != list(study.spec.objectives.values()) or found.get_trials(deepcopy=False):
            raise UserError(f"{where}: its study '{study.name}' was not made by this program; choose another storage")
    changes = list(_changes(before or wanted, wanted))
    fixed = any(path[:2] in (("study", "space"), ("study", "objectives")) for path, _, _ in changes)
    if changes and (fixed or not accept):
        mend = "accept the change with --accept-changes, or raise the file's version"
        if fixed:
            mend = "trials with another space or objective cannot be compared: raise the file's version"
        under = f"since the trials of '{study.name}' began ({where})"
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


def agree_on_data(found: optuna.Study, marks: Mapping[str, str], address: Address, *, accept: bool) -> None:
    """Compare the cities' rows with those under the trials; marks: city -> fingerprint.

    Raises UserError if a city's rows have changed, unless ``accept``.
    """
    before = found.user_attrs.get(DATA, {})
    others = [city for city, mark in marks.items() if before.get(city, mark) != mark]
    if others and not accept:
        raise UserError(
            f"{address}: the rows of {', '.join(others)} have changed since the trials of '{found.study_name}' began; "
            "restore them, accept the change with --accept-changes, or raise the file's version"
        )
    if {**before, **marks} != before:
        found.set_user_attr(DATA, {**before, **marks})


def described(study: Study) -> dict[str, Any]:
    """Return what trials depend on: the file without totals, limits, storage and text, which may change freely."""
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
