"""One table of the leaderboard: rows with figures, ranked where they rest on the same users.

A rank is one more than the number of models that are significantly better (bench/evaluation/significance.py: paired
over users, Holm-corrected over all pairs of the table's ranked rows). The last rank that it may have is the number
of models that are not significantly worse, itself among them. Rows that are the same model are one row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.evaluation import bootstrap, significance
from bench.leaderboard.lineage import Lineage
from bench.leaderboard.merge_rows import merged

VERSION_PAIRS = (("geobleu@humob24", "dtw@humob24"), ("geobleu@giscup25", "dtw@fixed"))

Key = tuple[str, str]


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
    """One metric of one row: mean with 95 % interval, median over users, share of users won against the reference.

    low, high: None if there is no interval (a single user). ranks: the first and last possible rank of the row, None if
    it is not ranked. misses_as_zero: the mean with unanswered points counted as worst.
    """

    mean: float
    low: float | None
    high: float | None
    median: float
    wins: float | None = None
    ranks: significance.Ranks | None = None
    misses_as_zero: float | None = None


@dataclass(frozen=True)
class Row:
    """One model in one test city, or over cities.

    owners: how many are resampled; fewer than users where several of these are windows of one person or animal.
    training: its training parts, empty for a model that learns from nothing here; lineage: what it learned from them.
    asked_with: its adapter and prediction settings. floor: one of the models that every table shows.
    groups, slices: metric -> its mean by group of users (activity_q1), by part of their points (step=move). corpus:
    metrics of all users together. shape_without_places: the DTW versions by which it is among the best while its
    GEO-BLEU is among the worst. beyond: metrics by which it is too good to be true. samples: resampled means, paired
    with those of the board's other rows. towns: the row's part in each city, where it is a mean over several.
    """

    model: str
    training: str
    lineage: Lineage
    asked_with: str
    users: int
    owners: int
    seeds: int
    figures: Mapping[str, Figure]
    unranked: str | None
    leaks: tuple[str, ...]
    coverage: float | None
    floor: bool = False
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    corpus: Mapping[str, float] = field(default_factory=dict)
    shape_without_places: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    samples: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    towns: Mapping[str, Row] = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> Key:
        """Identifies the row on its board."""
        return self.model, self.training

    @property
    def label(self) -> str:
        """The model, and what it learned from or that it kept its start."""
        return f"{self.model} ({self.lineage.short})" if self.lineage.short else self.model

    def ranks(self, metric: str) -> significance.Ranks | None:
        """The row's first and last rank by a metric, or None."""
        return self.figures[metric].ranks if metric in self.figures else None


@dataclass(frozen=True)
class Detectable:
    """The minimum detectable difference at 5 % with power 0.8, uncorrected, over a board's ranked pairs."""

    median: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class Board:
    """A table: one test city, or the mean over several.

    fewest: owners (see Row) of the city with fewest; with a single one there is no interval and no rank. rows: ranked
    ones first, best first. won: by metric, the pairs (better, worse) of row keys. left_out: rows that lack cases, and
    which.
    """

    cities: tuple[str, ...]
    users: int
    fewest: int
    rows: tuple[Row, ...]
    won: Mapping[str, frozenset[tuple[Key, Key]]]
    detectable: Mapping[str, Detectable]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows that take part in the ranking; none if there is a single user."""
        return tuple(row for row in self.rows if row.unranked is None) if self.fewest > 1 else ()

    @property
    def pairs(self) -> int:
        """The number of pairs of rows compared by a metric."""
        return len(self.ranked) * (len(self.ranked) - 1) // 2

    def standing(self, row: Row, other: Row, metric: str) -> int:
        """+1 if row is significantly better than other, -1 if worse, 0 if they cannot be told apart."""
        won = self.won.get(metric, frozenset())
        return int((row.key, other.key) in won) - int((other.key, row.key) in won)

    def best_floor(self, metric: Metric) -> Row | None:
        """Return the best of the ranked rows that every table shows."""
        floor = [row for row in self.ranked if row.floor and metric.name in row.figures]
        return max(floor, key=lambda row: metric.sign * row.figures[metric.name].mean) if floor else None


def make(
    cities: tuple[str, ...],
    rows: Sequence[Row],
    metrics: Mapping[str, Metric],
    main: str,
    fewest: int,
    left_out: tuple[tuple[str, str], ...] = (),
) -> Board:
    """Merge rows that are one model, rank those that rest on the same users by every metric, flag and order them."""
    rows, spread, won = merged(rows), {}, {}
    for name, metric in metrics.items():
        able = [i for i, row in enumerate(rows) if _comparable(row, name)]
        if able:
            samples = metric.sign * np.stack([rows[i].samples[name] for i in able], axis=1)
            better = significance.better(samples, fewest)
            rows = _with_ranks(rows, name, able, better)
            won[name] = frozenset((rows[able[i]].key, rows[able[j]].key) for i, j in np.argwhere(better))
            pairs = bootstrap.detectable(samples)
            if len(pairs := pairs[pairs > 0]):
                spread[name] = Detectable(float(np.median(pairs)), float(pairs.min()), float(pairs.max()))
    flagged = shapes_without_places(rows, metrics)
    rows = [replace(row, shape_without_places=flagged.get(row.key, ())) for row in rows]

    def order(row: Row) -> tuple[bool, float, str, str]:
        mean = metrics[main].sign * row.figures[main].mean if main in row.figures else -np.inf
        return row.unranked is not None, -mean, row.model, row.training

    users = max((row.users for row in rows), default=0)
    return Board(cities, users, fewest, tuple(sorted(rows, key=order)), won, spread, left_out)


def difference(row: Row, other: Row, metric: str) -> tuple[float, float, float]:
    """Return row minus other: the difference of the means and its paired 95 % interval, not corrected."""
    low, high = bootstrap.interval(row.samples[metric] - other.samples[metric])
    return row.figures[metric].mean - other.figures[metric].mean, float(low), float(high)


def shapes_without_places(rows: Sequence[Row], metrics: Mapping[str, Metric]) -> dict[Key, tuple[str, ...]]:
    """Find rows in the best third by DTW that others beat in GEO-BLEU, in its worst third: right shape, wrong places.

    Returns row key -> the DTW versions.
    """
    found: dict[Key, tuple[str, ...]] = defaultdict(tuple)
    for bleu, dtw in VERSION_PAIRS:
        able = [row for row in rows if row.ranks(bleu) and row.ranks(dtw)]
        third = len(able) // 3
        by_dtw = sorted(able, key=lambda row: -metrics[dtw].sign * row.figures[dtw].mean)[:third]
        by_bleu = sorted(able, key=lambda row: metrics[bleu].sign * row.figures[bleu].mean)[:third]
        for row in by_dtw:
            ranks = row.ranks(bleu)
            if row in by_bleu and ranks and ranks[0] != 1:
                found[row.key] += (dtw,)
    return dict(found)


def _comparable(row: Row, metric: str) -> bool:
    return row.unranked is None and metric in row.samples and bool(np.isfinite(row.samples[metric]).all())


def _with_ranks(rows: Sequence[Row], metric: str, able: Sequence[int], better: np.ndarray) -> list[Row]:
    """Return the rows with ranks in the figures of those that can be ranked."""
    changed = list(rows)
    for i, ranks in zip(able, significance.rank_ranges(better), strict=True):
        figures = dict(rows[i].figures)
        figures[metric] = replace(figures[metric], ranks=ranks)
        changed[i] = replace(rows[i], figures=figures)
    return changed
