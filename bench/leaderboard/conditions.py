"""What else differs between runs than scores: times and their conditions, versions, settings, code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.leaderboard.facts import hardware_of
from bench.records.record import Record

Case = tuple[str, str, str, int]  # model, training, test city, seed


@dataclass(frozen=True, order=True)
class Condition:
    """What a time depends on besides the model."""

    hardware: str
    precision: str
    batch: int
    code: str

    def same_machine(self, other: Condition) -> bool:
        """Whether nothing but the code may differ."""
        mine, its = (self.hardware, self.precision, self.batch), (other.hardware, other.precision, other.batch)
        return mine == its


@dataclass(frozen=True)
class Times:
    """Seconds of one model and training over its shared cases, by run.

    fit: mean over fits; latency: of one trajectory, the median over cases. conditions: by run, all that occur.
    """

    model: str
    training: str
    fit: tuple[float | None, ...]
    latency: tuple[float | None, ...]
    conditions: tuple[tuple[Condition, ...], ...]

    def ratio(self, run: int) -> float | None:
        """Latency of a run divided by that of the first; None if they were not measured in the same way."""
        first, later = self.conditions[0], self.conditions[run]
        alike = len(first) == len(later) == 1 and first[0].same_machine(later[0])
        ours, theirs = self.latency[run], self.latency[0]
        return ours / theirs if alike and ours is not None and theirs else None


@dataclass(frozen=True)
class Other:
    """Something other than scores in which a model's runs differ: its name, and its value by run."""

    model: str
    what: str
    values: tuple[str, ...]


def times(same: Iterable[Case], held: Sequence[Mapping[Case, Record]]) -> Iterator[Times]:
    """Yield the times of every model and training."""
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in same:
        groups[case[0], case[1]].append(case)
    for (model, training), cases in sorted(groups.items()):
        runs = [[of[case] for case in cases] for of in held]
        yield Times(
            model,
            training,
            fit=tuple(_mean({r.identity.fit: r.cost.fit_seconds for r in run if r.cost}.values()) for run in runs),
            latency=tuple(_median(r.cost.latency_median_s for r in run if r.cost) for run in runs),
            conditions=tuple(tuple(sorted({_condition(r) for r in run})) for run in runs),
        )


def _condition(record: Record) -> Condition:
    origin, cost = record.provenance, record.cost
    code = f"bench {origin.bench_version}, {(origin.commit or 'no commit')[:12]}{' (changed)' if origin.dirty else ''}"
    alone = "" if cost is None or cost.alone else ", while other cases ran"
    batch = cost.batch_users if cost else 0
    return Condition(hardware_of(record) + alone, record.numerics.get("precision", "not said"), batch, code)


def others(same: Iterable[Case], held: Sequence[Mapping[Case, Record]]) -> Iterator[Other]:
    """Yield, model by model, each thing in which the runs differ."""
    models: dict[str, list[Case]] = defaultdict(list)
    for case in same:
        models[case[0]].append(case)
    for model, cases in sorted(models.items()):
        told = [_told(of[case] for case in cases) for of in held]
        for what in dict.fromkeys(what for run in told for what in run):
            values = tuple(run.get(what, "absent") for run in told)
            if len(set(values)) > 1:
                yield Other(model, what, values)


def _told(records: Iterable[Record]) -> dict[str, str]:
    """Return one run's values for a model, each once."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        case = record.case
        facts: dict[str, Any] = {
            "adapter": f"{case.adapter}, version {case.adapter_version}",
            "source of the adapter": record.provenance.adapter_source[:12],
            "training users": record.data.train_users if record.data else "not said",
            "kept epoch": record.learning.kept_epoch if record.learning and case.learns_from != "nothing" else None,
            "fallback": record.answers.fallback if record.answers else None,
            "filled answers": record.answers.filled if record.answers else None,
            **{f"setting {name}": value for name, value in case.settings.items()},
        }
        for name, value in facts.items():
            if str(value) not in found[name]:
                found[name].append(str(value))
    return {name: " or ".join(values) for name, values in found.items()}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
