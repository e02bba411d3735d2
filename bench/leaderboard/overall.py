"""The headline over cities, from rows of single cities.

Every city counts equally. If all training parts are tested on the same cities, a row of the headline is (model,
training). If not (fit on B, test C and D; fit on C, test B and D), it is a model: in each city its scores are first
averaged over its trainings, then over the cities. A model that learns from nothing needs a score in every city, a
learner one for every (training, city) that any learner has. A model that lacks one is left out and listed with what is
missing. So all rows of the headline rest on the same users, cities and splits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.evaluation import bootstrap
from bench.leaderboard import ranking
from bench.leaderboard.lineage import join
from bench.leaderboard.ranking import Board, Figure, Metric, Row

Split = tuple[str, str]  # training, test city


@dataclass(frozen=True)
class Gap:
    """A case without scores, and why. training: empty for a model that learns from nothing."""

    model: str
    training: str
    city: str
    seed: int
    status: str
    reason: str


def headline(
    by_city: Mapping[str, Sequence[Row]], gaps: Sequence[Gap], metrics: Mapping[str, Metric], main: str
) -> Board:
    """Average rows over cities, only for models with the same set of cases."""
    have = {(row.model, row.training, city): row for city, rows in by_city.items() for row in rows}
    cities = tuple(by_city)
    rows, left_out = [], []
    fewest = min(max((row.owners for row in rows if row.unranked is None), default=0) for rows in by_city.values())
    for model, splits in _candidates(have, gaps, cities):
        training = " | ".join(sorted({training for training, _ in splits if training}))
        lacking = [_lack(model, split, gaps) for split in splits if (model, *split) not in have]
        lacking += [f"not tested on {city}" for city in cities if city not in {tested for _, tested in splits}]
        if lacking:
            left_out.append((f"{model} ({training})" if training else model, "; ".join(lacking)))
            continue
        towns = [[have[model, t, city] for t, tested in splits if tested == city] for city in cities]
        alone = [mean_row(parts, training) for parts in towns]
        users = sum(row.users for row in alone)
        rows.append(replace(mean_row(alone, training), users=users, towns=dict(zip(cities, alone, strict=True))))
    return ranking.make(cities, rows, metrics, main, fewest, tuple(left_out))


def _candidates(
    have: Iterable[tuple[str, str, str]], gaps: Sequence[Gap], cities: Sequence[str]
) -> list[tuple[str, list[Split]]]:
    """Return each row that the headline could have: its model and the splits it must hold."""
    planned = sorted({*have, *((gap.model, gap.training, gap.city) for gap in gaps)})
    splits = {(training, city) for _, training, city in have if training}
    bare = set(cities) - {city for _, city in splits}
    splits |= {(training, city) for _, training, city in planned if training and city in bare}
    trainings = sorted({training for training, _ in splits})
    tested = {training: {city for t, city in splits if t == training} for training in trainings}
    apart = all(towns == tested[trainings[0]] for towns in tested.values())
    groups = [[training] for training in trainings] if apart else [trainings]
    found = [(model, [("", city) for city in cities]) for model in sorted({m for m, t, _ in planned if not t})]
    for model in sorted({m for m, t, _ in planned if t}):
        for group in groups:
            if any(m == model and t in group for m, t, _ in planned):
                found.append((model, sorted(split for split in splits if split[0] in group)))
    return found


def mean_row(parts: Sequence[Row], training: str) -> Row:
    """Average rows with equal weights: means, medians, wins and samples; intervals come from the samples."""
    if len(parts) == 1:
        return replace(parts[0], training=training)
    shared = [metric for metric in parts[0].samples if all(metric in row.samples for row in parts)]
    samples = {metric: np.mean([row.samples[metric] for row in parts], axis=0) for metric in shared}
    covered = [row.coverage for row in parts if row.coverage is not None]
    return replace(
        parts[0],
        training=training,
        lineage=join(row.lineage for row in parts),
        seeds=min(row.seeds for row in parts),
        figures={
            metric: _mean_figure([row.figures[metric] for row in parts], samples[metric])
            for metric in parts[0].figures
            if metric in samples
        },
        unranked=next((row.unranked for row in parts if row.unranked), None),
        leaks=tuple(dict.fromkeys(leak for row in parts for leak in row.leaks)),
        coverage=float(np.mean(covered)) if covered else None,
        beyond=tuple(dict.fromkeys(metric for row in parts for metric in row.beyond)),
        groups=mean_by_metric([row.groups for row in parts]),
        slices=mean_by_metric([row.slices for row in parts]),
        corpus=mean_by_key([row.corpus for row in parts]),
        samples=samples,
    )


def mean_by_key(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average mappings, key by key, over the keys that all of them have."""
    shared = [key for key in parts[0] if all(key in part for part in parts)] if parts else []
    return {key: float(np.mean([part[key] for part in parts])) for key in shared}


def mean_by_metric(parts: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Average mappings of mappings: metric -> key -> figure."""
    shared = [name for name in parts[0] if all(name in part for part in parts)] if parts else []
    return {name: mean_by_key([part[name] for part in parts]) for name in shared}


def _mean_figure(parts: Sequence[Figure], samples: np.ndarray) -> Figure:
    low, high = bootstrap.interval(samples)
    known = bool(np.isfinite(low))
    return Figure(
        mean=float(np.mean([figure.mean for figure in parts])),
        low=float(low) if known else None,
        high=float(high) if known else None,
        median=float(np.mean([figure.median for figure in parts])),
        wins=_mean_or_none([figure.wins for figure in parts]),
        misses_as_zero=_mean_or_none([figure.misses_as_zero for figure in parts]),
    )


def _mean_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _lack(model: str, split: Split, gaps: Sequence[Gap]) -> str:
    """Say that a case has no score, with the reason if a record has it."""
    what = " -> ".join(part for part in split if part)
    for gap in gaps:
        if (gap.model, gap.training, gap.city) == (model, *split):
            return f"no score for {what} ({gap.status}: {gap.reason})"
    return f"no score for {what} (no record)"
