"""How far the seeds of one model lie apart, next to the sampling error of the users within a seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.lineage import Lineage
from bench.leaderboard.panel import Line
from bench.records.record import Record


@dataclass(frozen=True)
class Spread:
    """One metric over the seeds of a line.

    between: standard deviation of the seeds' means; within: standard error of one seed's mean over its users, the
    mean over seeds.
    """

    between: float
    within: float


@dataclass(frozen=True)
class SeedRow:
    """The spread of one model and training in one test city.

    metrics: by name. agreement: share of points that two seeds answer with the same cell, mean over users and pairs of
    seeds; None if the records do not say.
    """

    model: str
    lineage: Lineage
    city: str
    seeds: int
    metrics: Mapping[str, Spread]
    agreement: float | None = None


def seed_rows(lines: Iterable[Line]) -> tuple[SeedRow, ...]:
    """Describe the lines that have several seeds."""
    return tuple(
        SeedRow(
            model=line.model,
            lineage=line.lineage,
            city=line.city,
            seeds=len(line.records),
            metrics={metric: _spread(scores) for metric, scores in line.scores.items()},
            agreement=_agreement(line.records),
        )
        for line in lines
        if len(line.records) > 1
    )


def _spread(scores: np.ndarray) -> Spread:
    """Return the spread of scores (seeds, users); users without a score are left out."""
    users = np.isfinite(scores).sum(axis=1)
    means, deviations = np.nanmean(scores, axis=1), np.nanstd(scores, axis=1)
    return Spread(float(means.std(ddof=1)), float((deviations / np.sqrt(np.maximum(users - 1, 1))).mean()))


def _agreement(records: Sequence[Record]) -> float | None:
    """Return the mean over pairs of these records' seeds; both records of a pair may hold it."""
    mine = {record.identity.answers for record in records}
    pairs = {
        frozenset({record.identity.answers, pair.answers}): pair.same_cell
        for record in records
        for pair in record.agreement
        if pair.answers in mine
    }
    return float(np.mean(list(pairs.values()))) if pairs else None
