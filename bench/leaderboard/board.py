"""One table of the leaderboard: rows with figures, ranked where they rest on the same users.

A rank is one more than the number of models that beat the row: the 95 % interval of the paired difference lies above
zero (bench/bootstrap.py). Comparisons are not corrected for their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.evaluation import bootstrap

VERSION_PAIRS = (("geobleu@humob24", "dtw@humob24"), ("geobleu@giscup25", "dtw@fixed"))


@dataclass(frozen=True)
class Metric:
    """A metric's unit and direction, as the records state them."""

    name: str
    unit: str
    better: str

    @property
    def sign(self) -> float:
        """+1 where more is better, -1 where less is."""
        return 1.0 if self.better == "higher" else -1.0


@dataclass(frozen=True)
class Figure:
    """One metric of one row: mean with its 95 % interval, median over users, share of users won from the reference.

    rank: None where the row is not ranked; tied: some ranked row cannot be told from this one. misses_as_zero: the mean
    with unanswered points counted as worst.
    """

    mean: float
    low: float
    high: float
    median: float
    wins: float | None = None
    rank: int | None = None
    tied: bool = False
    misses_as_zero: float | None = None


@dataclass(frozen=True)
class Row:
    """One model in one test city, or over cities.

    training: its training cities, empty for a model that learns from nothing here; seen: cities of its pretraining.
    groups: the main metric's mean by group of users. shape_without_places: the DTW versions by which it is among the
    best while its GEO-BLEU is among the worst. samples: resampled means, paired with those of the board's other rows.
    """

    model: str
    training: str
    learns_from: str
    seen: tuple[str, ...]
    users: int
    seeds: int
    figures: Mapping[str, Figure]
    unranked: str | None
    leaks: tuple[str, ...]
    coverage: float | None
    groups: Mapping[str, float] = field(default_factory=dict)
    shape_without_places: tuple[str, ...] = ()
    samples: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The model, and what it was trained on."""
        return f"{self.model} ({self.training})" if self.training else self.model

    def rank(self, metric: str) -> int | None:
        """The row's rank by a metric, or None."""
        return self.figures[metric].rank if metric in self.figures else None


@dataclass(frozen=True)
class Detectable:
    """The difference that the users of a board show in four repeats of five, over its pairs of ranked rows."""

    median: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class Board:
    """A table: one test city, or the mean over several.

    rows: ranked ones first, best first. left_out: rows that lack cases, and which.
    """

    cities: tuple[str, ...]
    users: int
    rows: tuple[Row, ...]
    detectable: Mapping[str, Detectable]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows that take part in the ranking."""
        return tuple(row for row in self.rows if row.unranked is None)


def make(
    cities: tuple[str, ...],
    rows: Sequence[Row],
    metrics: Mapping[str, Metric],
    main: str,
    left_out: tuple[tuple[str, str], ...] = (),
) -> Board:
    """Rank rows that rest on the same users by every metric, flag and order them."""
    spread = {}
    for name, metric in metrics.items():
        able = [i for i, row in enumerate(rows) if _comparable(row, name)]
        if able:
            samples = metric.sign * np.stack([rows[i].samples[name] for i in able], axis=1)
            rows = _with_ranks(rows, name, able, bootstrap.beats(samples))
            pairs = bootstrap.detectable(samples)
            if len(pairs := pairs[pairs > 0]):
                spread[name] = Detectable(float(np.median(pairs)), float(pairs.min()), float(pairs.max()))
    flagged = shapes_without_places(rows, metrics)
    rows = [replace(row, shape_without_places=flagged.get((row.model, row.training), ())) for row in rows]

    def order(row: Row) -> tuple[bool, int, float, str, str]:
        mean = metrics[main].sign * row.figures[main].mean if main in row.figures else -np.inf
        return row.unranked is not None, row.rank(main) or 0, -mean, row.model, row.training

    users = max((row.users for row in rows), default=0)
    return Board(cities, users, tuple(sorted(rows, key=order)), spread, left_out)


def difference(row: Row, other: Row, metric: str) -> tuple[float, float, float]:
    """Return row minus other: the difference of the means and its paired 95 % interval."""
    low, high = bootstrap.interval(row.samples[metric] - other.samples[metric])
    return row.figures[metric].mean - other.figures[metric].mean, float(low), float(high)


def shapes_without_places(rows: Sequence[Row], metrics: Mapping[str, Metric]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Find rows in the best third by DTW and the worst third by GEO-BLEU, where others beat them: shape, not places.

    Returns (model, training) -> the DTW versions.
    """
    found: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for bleu, dtw in VERSION_PAIRS:
        able = [row for row in rows if row.rank(bleu) and row.rank(dtw)]
        third = len(able) // 3
        by_dtw = sorted(able, key=lambda row: -metrics[dtw].sign * row.figures[dtw].mean)[:third]
        by_bleu = sorted(able, key=lambda row: metrics[bleu].sign * row.figures[bleu].mean)[:third]
        for row in by_dtw:
            if row in by_bleu and row.rank(bleu) != 1:
                found[row.model, row.training] += (dtw,)
    return dict(found)


def _comparable(row: Row, metric: str) -> bool:
    return row.unranked is None and metric in row.samples and bool(np.isfinite(row.samples[metric]).all())


def _with_ranks(rows: Sequence[Row], metric: str, able: Sequence[int], won: np.ndarray) -> list[Row]:
    """Return the rows with the ranks of those that are able written into their figures."""
    changed = list(rows)
    level = ~won & ~won.T
    for i, rank, others in zip(able, bootstrap.ranks(won), level.sum(axis=0) - 1, strict=True):
        figures = dict(rows[i].figures)
        figures[metric] = replace(figures[metric], rank=int(rank), tied=bool(others))
        changed[i] = replace(rows[i], figures=figures)
    return changed
