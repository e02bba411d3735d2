"""A protocol becomes cases; each case has three identities, computed alike from a plan and from a record.

fit: what was learned from what; answers: the fit and the queries; cost: the answers and the hardware.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bench.data.sources import Source
from bench.data.world import not_humob
from bench.records.record import Identity, Record
from bench.running.model import Model
from bench.running.splits import Prepared, Skip

LENGTH = 20


def digest(content: Mapping[str, Any]) -> str:
    """Hash a mapping of plain values: SHA-256 of its canonical JSON, the first 20 hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def identity(
    *,
    adapter: str,
    version: int,
    settings: Mapping[str, Any],
    learns_from: str,
    precision: str,
    seed: int,
    window: tuple[tuple[int, int], tuple[int, int]],
    parts: Mapping[str, str],
    device: str,
    threads: int,
    batch_users: int,
    predicts_with: Collection[str] = (),
    worlds: Mapping[str, Any] = MappingProxyType({}),
    train_cities: Sequence[str] = (),
    test_city: str = "",
) -> Identity:
    """Compute a case's identities.

    parts: SHA-256 of the rows of train, validate (where there is one), history and queries; for a model that wants
    them, of the points of interest of the training cities (train_poi) and of the test city (poi); and how many
    cells an answer ranks (ranks), where metrics look at more than one. A model that learns
    from nothing has one fit for all training parts; one that learns from test histories has one per set of test users.
    predicts_with: names of settings that only prediction looks at; they belong to the answers, not to the fit.
    worlds: grid and calendar of the cities where they are not HuMob's; a fit depends on those that it learns in, the
    answers on that of the test city.
    """
    learned = {
        "nothing": (),
        "train users": ("train", "validate", "train_poi"),
        "test histories": ("train", "validate", "train_poi", "history"),
    }[learns_from]
    fit = {
        "adapter": adapter,
        "version": version,
        "settings": {name: value for name, value in settings.items() if name not in predicts_with},
        "precision": precision,
        "seed": seed,
        "window": [list(days) for days in window],
        "parts": {name: parts[name] for name in learned if name in parts},
    }
    places = {"nothing": (), "train users": train_cities, "test histories": (*train_cities, test_city)}[learns_from]
    if found := {city: worlds[city] for city in places if city in worlds}:
        fit["worlds"] = found
    fit_id = digest(fit)
    asked: dict[str, Any] = {"fit": fit_id, "history": parts["history"], "queries": parts["queries"]}
    asked |= {name: parts[name] for name in ("poi", "ranks") if name in parts}
    if predicts_with:
        asked["settings"] = {name: value for name, value in settings.items() if name in predicts_with}
    if test_city in worlds:
        asked["world"] = worlds[test_city]
    answers_id = digest(asked)
    cost = {"answers": answers_id, "device": device, "threads": threads, "batch_users": batch_users}
    return Identity(fit=fit_id, answers=answers_id, cost=digest(cost))


def identity_of(record: Record) -> Identity:
    """Compute the identities of a done case again from its record alone."""
    if record.data is None or record.cost is None:
        return record.identity
    return identity(
        adapter=record.case.adapter,
        version=record.case.adapter_version,
        settings=record.case.settings,
        learns_from=record.case.learns_from,
        precision=record.numerics["precision"],
        seed=record.case.seed,
        window=(record.case.history, record.case.horizon),
        parts=record.data.parts,
        device=record.cost.device,
        threads=record.cost.threads,
        batch_users=record.cost.batch_users,
        predicts_with=record.case.predicts_with,
        worlds=record.data.worlds,
        train_cities=record.case.train_cities,
        test_city=record.case.test_city,
    )


@dataclass(frozen=True, eq=False)
class Planned:
    """One case that can be run: a model, its data, its seed and its identity."""

    model: Model
    prepared: Prepared
    seed: int
    train_days: tuple[int, int] | None
    parts: Mapping[str, str]
    identity: Identity

    @property
    def label(self) -> str:
        """What progress and errors call the case."""
        split = self.prepared.split
        fitted = f"{'+'.join(split.train_cities)} -> " if self.model.learns else ""
        return f"{self.model.name} | {fitted}{split.test_city} | seed {self.seed}"


def parts_of(prepared: Prepared) -> dict[str, str]:
    """Hash the rows of each part of a split."""
    split = prepared.split
    tables = {"train": split.train, "validate": split.validate, "history": split.history, "queries": split.queries}
    return {name: table.fingerprint() for name, table in tables.items() if table is not None}


def poi_parts(prepared: Prepared, source: Source) -> dict[str, str]:
    """Hash the points of interest that a case needs. Raises Skip where a city has none, UserError for a wrong table."""
    split = prepared.split
    found = {city: source.poi(city) for city in (*split.train_cities, split.test_city)}
    if lacking := [city for city, poi in found.items() if poi is None]:
        raise Skip(f"no table of points of interest for city {', '.join(lacking)}")
    hashes = {city: poi.fingerprint() for city, poi in found.items() if poi is not None}
    return {"train_poi": digest({city: hashes[city] for city in split.train_cities}), "poi": hashes[split.test_city]}


def plan_case(
    model: Model,
    prepared: Prepared,
    seed: int,
    *,
    parts: Mapping[str, str],
    train_days: tuple[int, int] | None,
    hardware: str,
    threads: int,
) -> Planned:
    """Give a case its identity. hardware: name of the device, which decides the cost."""
    window = prepared.split.window
    found = identity(
        adapter=model.adapter,
        version=model.version,
        settings=model.recorded,
        learns_from=model.learns_from,
        precision=model.precision,
        seed=seed,
        window=(window.history, window.horizon),
        parts=parts,
        device=hardware,
        threads=threads,
        batch_users=model.batch_users,
        predicts_with=model.predicts_with,
        worlds=not_humob(prepared.split.worlds),
        train_cities=prepared.split.train_cities,
        test_city=prepared.split.test_city,
    )
    return Planned(model, prepared, seed, train_days, dict(parts), found)


def answers_of_seed(case: Planned, seed: int) -> str:
    """Return the identity of the same case's answers with another seed."""
    again = plan_case(
        case.model, case.prepared, seed, parts=case.parts, train_days=case.train_days, hardware="", threads=1
    )
    return again.identity.answers
