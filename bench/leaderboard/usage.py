"""What language models spent on predictions: tokens, forward passes, drafts; from records, without statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.adapters import usage
from bench.leaderboard.facts import hardware_of, seen_by
from bench.leaderboard.panel import training_of
from bench.records.record import Record, Spent


@dataclass(frozen=True)
class SpentRow:
    """What one model and training spent on one piece of hardware, over its test cities and seeds.

    alone: mean a trajectory, one user a call; batch: the same in one batch; answering: sums over the calls that made
    the answers. Keys are those of Adapter.spent.
    """

    model: str
    training: str
    learns_from: str
    seen: tuple[str, ...]
    hardware: str
    alone: Mapping[str, float]
    batch: Mapping[str, float]
    answering: Mapping[str, float]


def spent_rows(records: Iterable[Record], named: Mapping[str, str]) -> tuple[SpentRow, ...]:
    """Gather what done records spent; models that say nothing of it have no row."""
    groups: dict[tuple[str, str, str], list[tuple[Record, Spent]]] = defaultdict(list)
    for record in records:
        if record.status == "done" and record.cost and record.cost.spent:
            key = named[record.identity.cost], training_of(record), hardware_of(record)
            groups[key].append((record, record.cost.spent))
    return tuple(_row(key, group) for key, group in sorted(groups.items()))


def _row(key: tuple[str, str, str], group: Sequence[tuple[Record, Spent]]) -> SpentRow:
    """Answers that several records share (the same model measured twice) count once."""
    answered = {record.identity.answers: spent.answering for record, spent in group}
    return SpentRow(
        model=key[0],
        training=key[1],
        learns_from=group[0][0].case.learns_from,
        seen=seen_by(record for record, _ in group),
        hardware=key[2],
        alone=usage.mean(spent.alone for _, spent in group),
        batch=usage.mean(spent.batch for _, spent in group),
        answering=usage.total(answered.values()),
    )
