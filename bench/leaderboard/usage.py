"""Usage of language models: tokens, forward passes, drafts; from records, without statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.adapters import usage
from bench.adapters.origin import Tuned
from bench.leaderboard.facts import hardware_of
from bench.leaderboard.lineage import Lineage, lineage_of, part_of
from bench.records.record import Record, Usage


@dataclass(frozen=True)
class UsageRow:
    """The usage of one model and training on one piece of hardware, over its test cities and seeds.

    alone: mean per trajectory, one user per call; batch: the same in one batch; answering: sums over the calls that
    made the answers. Keys are those of Adapter.usage.
    """

    model: str
    part: str
    lineage: Lineage
    hardware: str
    alone: Mapping[str, float]
    batch: Mapping[str, float]
    answering: Mapping[str, float]


def usage_rows(
    records: Iterable[Record], named: Mapping[str, str], touching: Mapping[str, Sequence[Tuned]]
) -> tuple[UsageRow, ...]:
    """Gather the usage in done records; models without usage have no row."""
    groups: dict[tuple[str, str, str], list[tuple[Record, Usage]]] = defaultdict(list)
    for record in records:
        if record.status == "done" and record.cost and record.cost.usage:
            key = named[record.identity.cost], part_of(record), hardware_of(record)
            groups[key].append((record, record.cost.usage))
    return tuple(
        _row(key, group, lineage_of((record for record, _ in group), touching)) for key, group in sorted(groups.items())
    )


def _row(key: tuple[str, str, str], group: Sequence[tuple[Record, Usage]], lineage: Lineage) -> UsageRow:
    """Answers that several records share (the same model measured twice) count once."""
    answered = {record.identity.answers: spent.answering for record, spent in group}
    return UsageRow(
        model=key[0],
        part=key[1],
        lineage=lineage,
        hardware=key[2],
        alone=usage.mean(spent.alone for _, spent in group),
        batch=usage.mean(spent.batch for _, spent in group),
        answering=usage.total(answered.values()),
    )
