"""What models cost and learned from, and on which data: facts from records, without statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.adapters.origin import Tuned
from bench.leaderboard.lineage import Lineage, lineage_of, part_of, training_of
from bench.records.record import Data, Record


@dataclass(frozen=True)
class CostRow:
    """The cost of one model and training on one piece of hardware, over its test cities and seeds.

    part: what its fits learned from (lineage.part_of); fits that kept their start are one row. fit_seconds: the
    mean over fits; latency: of one trajectory, the median over cases of the median, and the largest
    95th percentile; throughput: the median over cases; memory: the largest. alone: nothing else was running.
    """

    model: str
    part: str
    lineage: Lineage
    hardware: str
    fit_seconds: float | None
    latency_median_s: float | None
    latency_p95_s: float | None
    throughput_per_s: float | None
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None
    parameters: float | None
    alone: bool


@dataclass(frozen=True)
class TrainingRow:
    """What one model learned from, how much of it was trained and how long, what was kept, and how it answered."""

    model: str
    part: str
    lineage: Lineage
    train_users: str
    train_days: str
    trained_parameters: float | None
    epochs: str
    kept: str
    asked: int
    invalid: int
    missing: int
    filled: int


@dataclass(frozen=True)
class Facts:
    """The basis of all records: data, windows, seeds, code. users and points: by test city."""

    sources: tuple[str, ...]
    synthetic: bool
    users: Mapping[str, tuple[int, ...]]
    points: Mapping[str, tuple[int, ...]]
    windows: tuple[str, ...]
    seeds: tuple[int, ...]
    fallbacks: tuple[str, ...]
    notes: tuple[str, ...]
    code: tuple[str, ...]


def cost_rows(
    records: Iterable[Record], named: Mapping[str, str], touching: Mapping[str, Sequence[Tuned]]
) -> tuple[CostRow, ...]:
    """Gather the costs of done records by model, what they learned from, and hardware."""
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "done" and record.cost:
            groups[named[record.identity.cost], part_of(record), hardware_of(record)].append(record)
    return tuple(_cost_row(key, group, lineage_of(group, touching)) for key, group in sorted(groups.items()))


def _cost_row(key: tuple[str, str, str], group: Sequence[Record], lineage: Lineage) -> CostRow:
    costs = [record.cost for record in group if record.cost]
    fits = {record.identity.fit: record.cost.fit_seconds for record in group if record.cost}
    return CostRow(
        model=key[0],
        part=key[1],
        lineage=lineage,
        hardware=key[2],
        fit_seconds=_over(fits.values(), np.mean),
        latency_median_s=_over((cost.latency_median_s for cost in costs), np.median),
        latency_p95_s=_over((cost.latency_p95_s for cost in costs), np.max),
        throughput_per_s=_over((cost.throughput_per_s for cost in costs), np.median),
        peak_memory_mb=_over((cost.peak_memory_mb for cost in costs), np.max),
        peak_gpu_memory_mb=_over((cost.peak_gpu_memory_mb for cost in costs), np.max),
        parameters=_over((_number(record.facts.get("parameters")) for record in group), np.max),
        alone=all(cost.alone for cost in costs),
    )


def training_rows(
    records: Iterable[Record], named: Mapping[str, str], touching: Mapping[str, Sequence[Tuned]]
) -> tuple[TrainingRow, ...]:
    """Gather facts on learning and answering from done records, by model and what it learned from."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.status == "done":
            groups[named[record.identity.cost], part_of(record)].append(record)
    return tuple(_training_row(key, group, lineage_of(group, touching)) for key, group in sorted(groups.items()))


def _training_row(key: tuple[str, str], group: Sequence[Record], lineage: Lineage) -> TrainingRow:
    learned = [record for record in group if training_of(record)]
    answers = [record.answers for record in group if record.answers]
    days = [record.case.train_days for record in learned if record.case.train_days]
    fits = [record.learning for record in group if record.learning and record.learning.epochs is not None]
    return TrainingRow(
        *key,
        lineage=lineage,
        train_users=_several(record.data.train_users for record in learned if record.data),
        train_days=_several("{}-{}".format(*span) for span in days),
        trained_parameters=_over((_number(record.facts.get("trained_parameters")) for record in learned), np.max),
        epochs=_several(fit.epochs for fit in fits),
        kept=_several(f"{fit.kept_epoch} ({fit.kept_step:,})" for fit in fits),
        asked=sum(count.asked for count in answers),
        invalid=sum(count.invalid for count in answers),
        missing=sum(count.missing for count in answers),
        filled=sum(count.filled for count in answers),
    )


def gather(records: Sequence[Record]) -> Facts:
    """Gather the basis of the records."""
    data: list[tuple[str, Data]] = [(record.case.test_city, record.data) for record in records if record.data]
    cities = sorted({city for city, _ in data})
    return Facts(
        sources=_unique(part.source for _, part in data),
        synthetic=any(part.synthetic for _, part in data),
        users={c: tuple(sorted({part.test_users for city, part in data if city == c})) for c in cities},
        points={c: tuple(sorted({part.test_points for city, part in data if city == c})) for c in cities},
        windows=_unique(
            "history days {}-{}, days {}-{} predicted".format(*r.case.history, *r.case.horizon) for r in records
        ),
        seeds=tuple(sorted({record.case.seed for record in records})),
        fallbacks=_unique(record.answers.fallback for record in records if record.answers),
        notes=_unique(note for _, part in data for note in part.notes),
        code=_unique(_code(record) for record in records),
    )


def hardware_of(record: Record) -> str:
    """Name the hardware and a case's share of it."""
    machine, cost = record.machine, record.cost
    device = machine.gpu if cost and cost.device != "cpu" and machine.gpu else "no GPU used"
    threads = f"{cost.threads} thread{'s' if cost.threads != 1 else ''}" if cost else ""
    return f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB; {device}; {threads}"


def _code(record: Record) -> str:
    origin = record.provenance
    commit = (origin.commit or "no commit")[:12]
    return f"bench {origin.bench_version}, {commit}{' with uncommitted changes' if origin.dirty else ''}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _over(values: Iterable[float | None], how: object) -> float | None:
    known = [value for value in values if value is not None]
    return float(how(known)) if known else None  # type: ignore[operator]


def _several(values: Iterable[object]) -> str:
    return ", ".join(_unique(f"{value:,}" if isinstance(value, int) else str(value) for value in values))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
