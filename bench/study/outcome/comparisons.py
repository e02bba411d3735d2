"""Scores of one metric, ready to compare: the interval of any difference, and which differences are significant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from bench.evaluation import bootstrap, significance
from bench.records.store import Run
from bench.study.search.evaluate import Scored

ALL = "all"  # the mean over target cities
K = TypeVar("K")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over users and seeds (NaN if per-user scores are missing).

    strength: distance of a difference from 0, in half-widths of its interval, or 0 if below one; users: of the smallest
    city.
    """

    value: float
    low: float
    high: float
    strength: float = 0.0
    users: int = 0

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low == self.low


@dataclass(frozen=True, eq=False)
class Panel:
    """Scores of one metric: value and bootstrap samples of each (name, target city), all resampled together."""

    metric: str
    cities: tuple[str, ...]
    values: Mapping[tuple[str, str], float]
    samples: Mapping[tuple[str, str], np.ndarray]
    users: int  # of the smallest city

    def estimate(self, weights: Mapping[str, float], city: str = ALL) -> Estimate:
        """Return a weighted sum of scores, e.g. a difference: {"A+B": 1, "A": -1}."""
        value = sum(weight * self.values[name, city] for name, weight in weights.items())
        if any((name, city) not in self.samples for name in weights):
            return Estimate(float(value), float("nan"), float("nan"))
        drawn = np.asarray(sum(weight * self.samples[name, city] for name, weight in weights.items()))
        low, high = bootstrap.interval(drawn)
        noise = bootstrap.SAME * max(1.0, *(float(np.abs(self.samples[name, city]).max()) for name in weights))
        strength = significance.strengths(np.stack([drawn, -drawn]), noise).max()
        return Estimate(float(value), float(low), float(high), float(strength), self.users)

    def less(self, one: str, other: str) -> Estimate:
        """Return the score of one minus that of the other, over all target cities."""
        return self.estimate({one: 1.0, other: -1.0} if one != other else {one: 0.0})


def significant(estimates: Mapping[K, Estimate]) -> set[K]:
    """Return the differences that are not 0, Holm-corrected over the whole list."""
    known = {key: estimate for key, estimate in estimates.items() if estimate.known}
    if not known:
        return set()
    found = np.array([estimate.strength for estimate in known.values()])
    held = significance.holm(found, len(known), min(estimate.users for estimate in known.values()))
    return {key for key, holds in zip(known, held, strict=True) if holds}


class Asked(NamedTuple):
    """Users of a city: uids in order, whose windows of days they are, the city that they live in, (users, seeds)."""

    uids: tuple[int, ...]
    owners: np.ndarray
    people: str
    scores: np.ndarray


def panel(metric: str, named: Mapping[str, Scored], run: Run) -> Panel:
    """Gather one metric's scores of all names.

    Names without score files, or with other users than most (from before the file changed), have values only.
    """
    cities = tuple(next(iter(named.values())).scores[metric]) if named else ()
    values: dict[tuple[str, str], float] = {}
    samples: dict[tuple[str, str], np.ndarray] = {}
    fewest: list[int] = []
    for city in cities:
        found = {name: _of_users(scored, metric, city, run) for name, scored in named.items()}
        users = Counter(asked.uids for asked in found.values() if asked.uids).most_common(1)
        here = {name: of for name, of in found.items() if users and of.uids == users[0][0]}
        values |= {(name, city): float(np.mean(scored.scores[metric][city])) for name, scored in named.items()}
        if here:
            fewest.append(len(np.unique(next(iter(here.values())).owners)))
            samples |= {(name, city): drawn for name, drawn in _samples(here).items()}
    for name in named:
        values[name, ALL] = float(np.mean([values[name, city] for city in cities]))
        if all((name, city) in samples for city in cities):
            samples[name, ALL] = np.mean([samples[name, city] for city in cities], axis=0)
    return Panel(metric, cities, values, samples, min(fewest, default=0))


def _samples(here: Mapping[str, Asked]) -> dict[str, np.ndarray]:
    """Resample the users of a city once for all names, and each name's seeds: name -> (resamples,)."""
    any_of, columns = next(iter(here.values())), [of.scores for of in here.values()]
    together = bootstrap.over_users(np.concatenate(columns, axis=1), any_of.people, owners=any_of.owners)
    found, first = {}, 0
    for name, column in zip(here, columns, strict=True):
        seeds = together[:, first : first + column.shape[1]]
        found[name] = bootstrap.over_seeds(seeds.T, name)
        first += column.shape[1]
    return found


def _of_users(scored: Scored, metric: str, city: str, run: Run) -> Asked:
    """Return a city's users in order and their scores; nobody if a file is missing."""
    import pandas as pd

    nobody = Asked((), np.empty(0), "", np.empty((0, 0)))
    seeds, uids, last = [], set(), nobody
    for where, _seed, cost in scored.cases:
        if where == city:
            record = run.read(cost)
            path = run.folder / record.files["scores"] if record and "scores" in record.files else None
            if record is None or path is None or not path.exists():
                return nobody
            table = pd.read_parquet(path, columns=["uid", metric]).sort_values("uid")
            owners = table["uid"].to_numpy() // record.uids_a_user
            last = Asked(tuple(table["uid"].tolist()), owners, record.people, nobody.scores)
            uids.add(last.uids)
            seeds.append(table[metric].to_numpy(float))
    return last._replace(scores=np.stack(seeds, axis=1)) if len(uids) == 1 else nobody
