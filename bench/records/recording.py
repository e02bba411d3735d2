"""What a record says was asked, and the records of cases that have no scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.adapters import registry
from bench.adapters.adapter import Adapter
from bench.data.world import Window
from bench.protocol.schema import ModelSpec, Protocol, SplitSpec
from bench.records.provenance import machine, provenance
from bench.records.record import Case, Identity, Record
from bench.running.plan import Planned, digest

Reason = Literal["failed", "skipped"]


def describe_planned(case: Planned, protocol: Protocol) -> Case:
    """Describe a planned case."""
    split = case.prepared.split
    return _describe(
        case.name, case.adapter, protocol, case.seed, split.train_cities, case.train_days, split.test_city, split.window
    )


def reason_record(
    case: Case, adapter: Adapter, identity: Identity, status: Reason, reason: str, protocol: Protocol
) -> Record:
    """Record why a case has no scores."""
    return Record(
        status=status,
        reason=reason,
        identity=identity,
        case=case,
        main=protocol.metrics.main,
        machine=machine(),
        provenance=provenance(type(adapter)),
    )


def skipped_record(model: ModelSpec, spec: SplitSpec, city: str, reason: str, protocol: Protocol) -> Record:
    """Record that a split has no data for one of its test cities."""
    adapter = registry.make(model.use, dict(model.settings))
    seed, train = protocol.seeds[0], spec.train
    case = _describe(model.name, adapter, protocol, seed, train.cities, train.days, city, spec.window)
    identity = Identity(
        fit="", answers="", cost=digest({"skipped": case.model_dump(mode="json", exclude={"predicts_with"})})
    )
    return reason_record(case, adapter, identity, "skipped", reason, protocol)


def _describe(
    model: str,
    adapter: Adapter,
    protocol: Protocol,
    seed: int,
    train_cities: Sequence[str],
    train_days: tuple[int, int] | None,
    test_city: str,
    window: Window,
) -> Case:
    """A model that learns from nothing has no training cities."""
    learns = adapter.learns_from != "nothing"
    return Case(
        protocol=protocol.name,
        protocol_version=protocol.version,
        scale=protocol.scale,
        model=model,
        adapter=adapter.name,
        adapter_version=adapter.version,
        settings=adapter.settings.recorded(),
        predicts_with=tuple(sorted(adapter.settings.predicts_with)),
        learns_from=adapter.learns_from,
        seen=adapter.seen(),
        tuned=adapter.tuned(),
        train_cities=tuple(train_cities) if learns else (),
        train_days=train_days if learns else None,
        test_city=test_city,
        seed=seed,
        history=window.history,
        horizon=window.horizon,
    )
