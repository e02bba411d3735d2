"""How a record describes its case, and the records of cases without scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bench.data.world import Window
from bench.protocol.schema import Protocol, SplitSpec
from bench.records.provenance import machine, provenance
from bench.records.record import Case, Identity, Record
from bench.running.model import Model
from bench.running.plan import Planned, digest

Reason = Literal["failed", "skipped"]


def describe_planned(case: Planned, protocol: Protocol) -> Case:
    """Describe a planned case."""
    split = case.prepared.split
    return _describe(
        case.model, protocol, case.seed, split.train_cities, case.train_days, split.test_city, split.window
    )


def reason_record(
    case: Case, model: Model, identity: Identity, status: Reason, reason: str, protocol: Protocol
) -> Record:
    """Record why a case has no scores."""
    return Record(
        status=status,
        reason=reason,
        identity=identity,
        case=case,
        main=protocol.metrics.main,
        machine=machine(),
        provenance=provenance(model.source),
    )


def skipped_record(model: Model, spec: SplitSpec, city: str, reason: str, protocol: Protocol) -> Record:
    """Record that a split has no data for one of its test cities."""
    seed, train = protocol.seeds[0], spec.train
    case = _describe(model, protocol, seed, train.cities, train.days, city, spec.window)
    identity = Identity(
        fit="", answers="", cost=digest({"skipped": case.model_dump(mode="json", exclude={"predicts_with"})})
    )
    return reason_record(case, model, identity, "skipped", reason, protocol)


def _describe(
    model: Model,
    protocol: Protocol,
    seed: int,
    train_cities: Sequence[str],
    train_days: tuple[int, int] | None,
    test_city: str,
    window: Window,
) -> Case:
    """Describe a case; a model that learns from nothing has no training cities."""
    return Case(
        protocol=protocol.name,
        protocol_version=protocol.version,
        scale=protocol.scale,
        model=model.name,
        adapter=model.adapter,
        adapter_version=model.version,
        settings=dict(model.recorded),
        predicts_with=model.predicts_with,
        learns_from=model.learns_from,
        seen=model.seen,
        tuned=model.tuned,
        train_cities=tuple(train_cities) if model.learns else (),
        train_days=train_days if model.learns else None,
        test_city=test_city,
        seed=seed,
        history=window.history,
        horizon=window.horizon,
    )
