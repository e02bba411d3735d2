"""What makes data of people's days alike: distributions over users, moves, and what per-user statistics score on them.

    bench data describe synthetic humob:FOLDER

``real_cities.json`` holds these figures of real users (aggregates alone): 200 of HuMob 2024, as the target of the
synthetic cities, and those whom the kinds of synthetic cities stand beside (without scores).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.trajectories import Trajectories
from bench.data.world import Grid, World

REAL = Path(__file__).with_name("real_cities.json")
METRICS = {"geobleu@humob24": 1, "geobleu@giscup25": 1, "dtw@fixed": -1, "dtw@humob24": -1}  # 1: higher is better
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Description:
    """Figures of one city.

    people: quartiles over users of each column of :func:`people`; moves: see :func:`moves`; scores: mean over users by
    baseline and metric; errors: their standard errors; clear: by metric, the pairs (better, worse) of baselines whose
    difference, paired over users, is beyond two standard errors.
    """

    users: int
    points: int
    people: Mapping[str, Sequence[float]]
    moves: Mapping[str, float]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    clear: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


def describe(table: Trajectories, world: World, per_user: Mapping[str, pd.DataFrame]) -> Description:
    """Describe one city's table. per_user: by statistic, its scores of METRICS for each user, in the same order."""
    frame = people(table, world.grid)
    quartiles = {name: np.quantile(frame[name].to_numpy(float), QUARTILES).tolist() for name in map(str, frame)}
    return Description(
        users=len(table.users),
        points=len(table),
        people=quartiles,
        moves=moves(table, world.grid),
        scores={name: {m: float(scored[m].mean()) for m in _asked(scored)} for name, scored in per_user.items()},
        errors={name: {m: _standard_error(scored[m]) for m in _asked(scored)} for name, scored in per_user.items()},
        clear={metric: _clear_pairs(metric, per_user) for metric in METRICS},
    )


def _asked(scored: pd.DataFrame) -> list[str]:
    """Return the metrics that are defined on the city's grid."""
    return [metric for metric in METRICS if metric in scored]


def _clear_pairs(metric: str, per_user: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """Return the pairs (better, worse) whose mean difference over users is beyond two standard errors."""
    pairs: list[list[str]] = []
    if any(metric not in scored for scored in per_user.values()):
        return pairs
    for better, worse in permutations(per_user, 2):
        ahead = METRICS[metric] * (per_user[better][metric] - per_user[worse][metric])
        if ahead.mean() > 2 * _standard_error(ahead):
            pairs.append([better, worse])
    return pairs


def _standard_error(values: pd.Series[float]) -> float:
    """Return the standard error of a mean."""
    numbers = values.to_numpy(float)
    return float(np.std(numbers, ddof=1) / np.sqrt(len(numbers)))


def people(table: Trajectories, grid: Grid) -> pd.DataFrame:
    """Return one row per user: points a day (of the table's span), distinct cells, share of points in the top cell,
    radius of gyration in km (Gonzalez et al. 2008, "Understanding individual human mobility patterns").
    """
    counts = np.diff(table.starts)
    user = np.repeat(np.arange(len(counts)), counts)
    span = int(table.d.max()) - int(table.d.min()) + 1
    cell = user.astype(np.int64) << 32 | table.x.astype(np.int64) << 16 | table.y.astype(np.int64)
    visited, visits = np.unique(cell, return_counts=True)
    owner = visited >> 32
    top = np.zeros(len(counts), np.int64)
    np.maximum.at(top, owner, visits)
    x, y = table.x.astype(float), table.y.astype(float)
    mean_x, mean_y = np.bincount(user, x) / counts, np.bincount(user, y) / counts
    spread = np.bincount(user, (x - mean_x[user]) ** 2 + (y - mean_y[user]) ** 2) / counts
    return pd.DataFrame(
        {
            "points a day": counts / span,
            "distinct cells": np.bincount(owner, minlength=len(counts)),
            "top cell's share": top / counts,
            "radius of gyration": np.sqrt(spread) * grid.cell_km,
        }
    )


def moves(table: Trajectories, grid: Grid) -> dict[str, float]:
    """Return shares: points followed by one in the next slot ("in a run"), and of these pairs those that stay in the
    cell, move to a neighbouring cell, move by less than 2 km, by less than 5 km, by more.
    """
    same_day = (table.uid[1:] == table.uid[:-1]) & (table.city[1:] == table.city[:-1]) & (table.d[1:] == table.d[:-1])
    gap = table.t[1:].astype(int) - table.t[:-1]
    run = same_day & (gap == 1)
    dx, dy = table.x[1:].astype(float) - table.x[:-1], table.y[1:].astype(float) - table.y[:-1]
    cells = np.hypot(dx, dy)[run]
    km = cells * grid.cell_km
    edges = {
        "stay": cells == 0,
        "next cell": (cells > 0) & (cells < 1.5),
        "< 2 km": (cells >= 1.5) & (km < 2),
        "< 5 km": (km >= 2) & (km < 5),
        ">= 5 km": km >= 5,
    }
    shares = {name: float(chosen.sum() / max(1, run.sum())) for name, chosen in edges.items()}
    return {"in a run": float(run.sum() / max(1, same_day.sum())), **shares}


def real_cities() -> dict[str, Description]:
    """Return the figures of the real cities, by name, as measured once with this module."""
    data: dict[str, Any] = json.loads(REAL.read_text(encoding="utf-8"))
    return {name: Description(**figures) for name, figures in data["cities"].items()}
