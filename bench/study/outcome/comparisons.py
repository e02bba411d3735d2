"""Scores of a metric with all that a comparison needs: intervals of any difference, and which differences stand out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bench.evaluation import bootstrap
from bench.records.store import Run
from bench.study.search.evaluate import Scored

ALL = "all"  # the mean over target cities
LEVEL = 0.05  # of the family-wise error of a list of comparisons
K = TypeVar("K")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over users and seeds (not a number where scores of users are not here).

    p: of the bootstrap, two-sided, for the hypothesis that a difference is 0.
    """

    value: float
    low: float
    high: float
    p: float = 1.0

    @property
    def known(self) -> bool:
        """Is there an interval?"""
        return self.low == self.low


@dataclass(frozen=True, eq=False)
class Panel:
    """Scores of one metric: value and bootstrap samples of each (name, target city), all resampled together."""

    metric: str
    cities: tuple[str, ...]
    values: Mapping[tuple[str, str], float]
    samples: Mapping[tuple[str, str], np.ndarray]

    def estimate(self, weights: Mapping[str, float], city: str = ALL) -> Estimate:
        """Return a weighted sum of scores, e.g. a difference: {"A+B": 1, "A": -1}."""
        value = sum(weight * self.values[name, city] for name, weight in weights.items())
        if any((name, city) not in self.samples for name in weights):
            return Estimate(float(value), float("nan"), float("nan"))
        drawn = sum(weight * self.samples[name, city] for name, weight in weights.items())
        low, high = bootstrap.interval(np.asarray(drawn)[:, None])
        return Estimate(float(value), float(low[0]), float(high[0]), _p_value(np.asarray(drawn)))

    def less(self, one: str, other: str) -> Estimate:
        """Return the score of one less that of the other, over all target cities."""
        return self.estimate({one: 1.0, other: -1.0} if one != other else {one: 0.0})


def significant(estimates: Mapping[K, Estimate]) -> set[K]:
    """Return the differences that are not 0, at 5 % for the whole list.

    Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979), Scandinavian Journal of Statistics 6.
    """
    found: set[K] = set()
    known = sorted((item for item in estimates.items() if item[1].known), key=lambda item: item[1].p)
    for rank, (key, estimate) in enumerate(known):
        if estimate.p * (len(known) - rank) > LEVEL:
            break
        found.add(key)
    return found


def _p_value(drawn: np.ndarray) -> float:
    """Return the two-sided p-value of a bootstrap: how often it falls on the other side of 0, or on it."""
    noise = bootstrap.SAME * float(np.abs(drawn).max(initial=1.0))
    side = min(np.count_nonzero(drawn <= noise), np.count_nonzero(drawn >= -noise))
    return min(1.0, 2 * (side + 1) / (len(drawn) + 1))


def panel(metric: str, named: Mapping[str, Scored], run: Run) -> Panel:
    """Gather one metric's scores of all names.

    Those whose files are not here, or who asked other users than most (before the file changed), have values only.
    """
    cities = tuple(next(iter(named.values())).scores[metric]) if named else ()
    values: dict[tuple[str, str], float] = {}
    samples: dict[tuple[str, str], np.ndarray] = {}
    for city in cities:
        found = {name: _of_users(scored, metric, city, run) for name, scored in named.items()}
        users = Counter(uids for uids, _ in found.values() if uids).most_common(1)
        here = {name: column for name, (uids, column) in found.items() if users and uids == users[0][0]}
        values |= {(name, city): float(np.mean(scored.scores[metric][city])) for name, scored in named.items()}
        if here:
            samples |= {(name, city): drawn for name, drawn in _samples(here, city).items()}
    for name in named:
        values[name, ALL] = float(np.mean([values[name, city] for city in cities]))
        if all((name, city) in samples for city in cities):
            samples[name, ALL] = np.mean([samples[name, city] for city in cities], axis=0)
    return Panel(metric, cities, values, samples)


def _samples(columns: Mapping[str, np.ndarray], city: str) -> dict[str, np.ndarray]:
    """Resample the users of a city once for all names, and each name's seeds: name -> (resamples,)."""
    together = bootstrap.over_users(np.concatenate(list(columns.values()), axis=1), city)
    found, first = {}, 0
    for name, column in columns.items():
        seeds = together[:, first : first + column.shape[1]]
        found[name] = bootstrap.over_seeds(seeds.T, name)
        first += column.shape[1]
    return found


def _of_users(scored: Scored, metric: str, city: str, run: Run) -> tuple[tuple[int, ...], np.ndarray]:
    """Return a city's users in order and their scores (users, seeds); none of both if a file is not here."""
    import pandas as pd

    nobody: tuple[tuple[int, ...], np.ndarray] = (), np.empty((0, 0))
    seeds, uids = [], set()
    for where, _seed, cost in scored.cases:
        if where == city:
            record = run.read(cost)
            path = run.folder / record.files["scores"] if record and "scores" in record.files else None
            if path is None or not path.exists():
                return nobody
            table = pd.read_parquet(path, columns=["uid", metric]).sort_values("uid")
            uids.add(tuple(table["uid"].tolist()))
            seeds.append(table[metric].to_numpy(float))
    return (uids.pop(), np.stack(seeds, axis=1)) if len(uids) == 1 else nobody
