"""A worker's job: the tables that it may see, what to do with them, and its grants. worker.py reads it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.adapters.adapter import Split
from bench.cache import cache_folder
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.protocol.schema import Protocol
from bench.records.store import Store
from bench.running.grants import grants
from bench.running.hardware import Hardware
from bench.running.model import Model
from bench.running.plan import Planned
from bench.running.tables import write_poi, write_table


@dataclass(frozen=True)
class Workplace:
    """The folders of one job. given: tables to read; work: free space, deleted afterwards; fit: for adapter.save.

    scratch survives a killed run, for checkpoints; log holds what the worker prints. A worker can write to no other
    part of a run.
    """

    given: Path
    work: Path
    fit: Path
    scratch: Path
    log: Path

    def output(self, cost_id: str) -> Path:
        """Where a worker leaves its answers to one case."""
        return self.work / f"{cost_id}.npz"


@contextmanager
def workplace(store: Store, model: Model, fit_id: str) -> Iterator[Workplace]:
    """Make the folders of a job, and remove those that nothing needs afterwards."""
    fits = store.fit(fit_id).parent
    fits.mkdir(parents=True, exist_ok=True)
    fit = Path(tempfile.mkdtemp(dir=fits, prefix=f".{fit_id}."))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as root:
            at = Path(root).resolve()
            scratch = store.scratch(fit_id) if model.learns else at / "work" / "scratch"
            if model.own and model.needs.keeps:
                scratch = store.kept(model.adapter)
            place = Workplace(at / "given", at / "work", fit.resolve(), scratch.resolve(), at / "log.txt")
            for folder in (place.given, place.work / "tmp", place.scratch):
                folder.mkdir(parents=True, exist_ok=True)
            yield place
    finally:
        shutil.rmtree(fit, ignore_errors=True)


def write_job(
    cases: Sequence[Planned], place: Workplace, store: Store, source: Source, protocol: Protocol, where: Hardware, *,
    measure: bool, hidden: Sequence[Path],
) -> tuple[dict[str, Any], tuple[Path, ...]]:  # fmt: skip
    """Write the tables of cases that share one fit and all settings; return the job and the hidden paths it reaches.

    The truth is not among the tables. measure: costs are measured now, so the job has the machine to itself.
    """
    job, reached = _job(cases, place, store, source, protocol, where, hidden)
    threads = where.threads if measure else max(1, where.threads // where.jobs)
    parts = [_part(case, place, store, measure=measure) for case in cases]
    return {**job, "threads": threads, "parts": parts}, reached


def write_asks(
    asks: Sequence[dict[str, Any]], cases: Sequence[Planned], place: Workplace, store: Store, source: Source,
    protocol: Protocol, where: Hardware, *, hidden: Sequence[Path],
) -> dict[str, Any]:  # fmt: skip
    """Return the job that asks one fit for probabilities (loss_worker.py). The worker keeps nothing of what it sees.

    asks: the questions, with tables by name; the tables are written here.
    """
    place = replace(place, scratch=place.work / "scratch")
    place.scratch.mkdir(exist_ok=True)
    job, _reached = _job(cases, place, store, source, protocol, where, hidden)
    tables = ("history", "queries", "shown")
    written = [
        {key: _table(value, value.fingerprint(), place) if key in tables and value is not None else value
         for key, value in ask.items()}
        for ask in asks
    ]  # fmt: skip
    return {**job, "threads": where.threads, "asks": written}


def _job(
    cases: Sequence[Planned], place: Workplace, store: Store, source: Source, protocol: Protocol, where: Hardware,
    hidden: Sequence[Path],
) -> tuple[dict[str, Any], tuple[Path, ...]]:  # fmt: skip
    """Return what every job of these cases says, and what hidden paths its worker reaches."""
    model, fit_id = cases[0].model, cases[0].identity.fit
    made = store.fit(fit_id).resolve() if store.fit(fit_id).exists() else None
    compiled = _compiled(model, place)
    folders = [model.folder] if model.folder else []
    granted, reached = grants(
        dict(model.settings),
        folders=folders,
        reads=[place.given, *([made] if made else [])],
        writes=[place.work, place.fit, place.scratch, compiled],
        hidden=hidden,
        gpu=where.device == "cuda",
    )
    job = {
        "adapter": model.adapter,
        "target": model.target,
        "folders": folders,
        "settings": dict(model.settings),
        "environment": model.needs.environment if model.own else (),
        "grants": granted.plain(),
        "made": str(made) if made else None,
        "fit": str(place.fit),
        "scratch": str(place.scratch),
        "compiled": str(compiled),
        "temporary": str(place.work / "tmp"),
        "context": {**_context(cases[0], where.device), "poi": _poi(cases, source, place)},
        "limits": protocol.limits.model_dump(),
    }
    return job, reached


def _compiled(model: Model, place: Workplace) -> Path:
    """Return numba's cache folder: kept between runs for the project's own models, else for this job alone.

    An outsider's model could store there what it saw in one split and find it in another.
    """
    if model.own:
        try:
            folder = cache_folder() / "compiled"
            folder.mkdir(parents=True, exist_ok=True)
            return folder.resolve()
        except OSError:
            pass
    return place.work / "compiled"


def _part(case: Planned, place: Workplace, store: Store, *, measure: bool) -> dict[str, Any]:
    split, ids = case.prepared.split, case.identity
    tables = {"train": split.train, "validate": split.validate, "history": split.history, "queries": split.queries}
    paths = {name: _table(table, case.parts[name], place) for name, table in tables.items() if table is not None}
    return {
        "label": split.test_city,
        "train_cities": split.train_cities,
        "worlds": plain_worlds(split),
        "cost_id": ids.cost,
        "tables": paths,
        "output": str(place.output(ids.cost)),
        "answer": not store.answers(ids.answers).exists(),
        "measure": measure and not store.measured(ids.cost),
    }


def plain_worlds(split: Split) -> dict[str, Any]:
    """Return the grid and calendar of each city of a split as plain values; worker.py reads them."""
    return {city: world.plain() for city, world in split.worlds.items()}


def _poi(cases: Sequence[Planned], source: Source, place: Workplace) -> dict[str, str]:
    """Write the points of interest of all cities of a job, for a model that wants them; return the paths by city."""
    if not cases[0].model.wants_poi:
        return {}
    splits = [case.prepared.split for case in cases]
    found = {}
    for city in dict.fromkeys(city for split in splits for city in (*split.train_cities, split.test_city)):
        if poi := source.poi(city):
            write_poi(path := place.given / f"{poi.fingerprint()[:32]}.poi.npz", poi)
            found[city] = str(path)
    return found


def _table(table: Any, content: str, place: Workplace) -> str:
    """Write a table under the hash of its content, once for all parts of the job that need it; return its path."""
    kind = "rows" if isinstance(table, Trajectories) else "points"
    path = place.given / f"{content[:32]}.{kind}.npz"
    if not path.exists():
        write_table(path, table)
    return str(path)


def _context(case: Planned, device: str) -> dict[str, Any]:
    window = case.prepared.split.window
    return {
        "seed": case.seed,
        "device": device,
        "history": window.history,
        "horizon": window.horizon,
        "ranks": int(case.parts.get("ranks", 0)),
    }
