"""A worker's job: the tables that it may see, and what it must do with them (bench/running/worker.py reads it)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.adapters import registry
from bench.data.trajectories import Trajectories
from bench.data.world import World
from bench.protocol.schema import Protocol
from bench.records.store import Store
from bench.running.hardware import Place
from bench.running.plan import Planned
from bench.running.tables import write_table


def write_job(
    cases: Sequence[Planned],
    folder: Path,
    store: Store,
    world: World,
    protocol: Protocol,
    where: Place,
    *,
    measure: bool,
) -> dict[str, Any]:
    """Write the tables of cases that share one fit and all settings into ``folder``; return the job.

    The truth is not among them. measure: whether costs are measured now; then the job has the machine to itself.
    """
    first = cases[0]
    split, fit_id = first.prepared.split, first.identity.fit
    write_table(folder / "train.npz", _learned(first))
    if split.validate is not None:
        write_table(folder / "validate.npz", split.validate)
    return {
        "adapter": first.adapter.name,
        "targets": registry.extra_targets(),
        "settings": first.adapter.settings.model_dump(mode="json"),
        "store": str(store.folder.resolve()),
        "fit_id": fit_id,
        "scratch": str(store.scratch(fit_id).resolve()),
        "train": str(folder / "train.npz"),
        "validate": str(folder / "validate.npz") if split.validate is not None else None,
        "threads": where.threads if measure else max(1, where.threads // where.jobs),
        "alone": not where.shared and (where.jobs == 1 or measure),
        "context": _context(first, world, where.device),
        "limits": protocol.limits.model_dump(),
        "parts": [_part(case, folder, store, measure=measure) for case in cases],
    }


def _learned(case: Planned) -> Trajectories:
    """Return the rows that fit gets: with the test users' histories where the model learns from them."""
    split = case.prepared.split
    if case.adapter.learns_from == "test histories":
        return Trajectories.concat([split.train, split.history])
    return split.train


def _part(case: Planned, folder: Path, store: Store, *, measure: bool) -> dict[str, Any]:
    split, ids = case.prepared.split, case.identity
    paths = {name: folder / f"{ids.cost}.{name}.npz" for name in ("history", "queries")}
    write_table(paths["history"], split.history)
    write_table(paths["queries"], split.queries)
    return {
        "label": split.test_city,
        "answers_id": ids.answers,
        "cost_id": ids.cost,
        "history": str(paths["history"]),
        "queries": str(paths["queries"]),
        "answer": not store.answers(ids.answers).exists(),
        "measure": measure and not store.measured(ids.cost),
    }


def _context(case: Planned, world: World, device: str) -> dict[str, Any]:
    window = case.prepared.split.window
    return {
        "seed": case.seed,
        "device": device,
        "history": window.history,
        "horizon": window.horizon,
        "grid": vars(world.grid),
        "weekend": sorted(world.calendar.weekend),
        "holidays": sorted(world.calendar.holidays),
    }
