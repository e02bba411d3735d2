"""The synthetic cities B and C against the figures of the real ones (bench/data/real_cities.json: aggregates alone)."""

from __future__ import annotations

from functools import cache

import pytest

from bench.data.describe import Description, describe, real_cities
from bench.data.sources.synthetic import Synthetic
from bench.running.user_statistics import statistic_scores

QUICK = ("user_mode", "slot_mode", "offday_slot_mode")
MAIN = ("user_mode", "slot_mode", "weekday_slot_mode", "offday_slot_mode", "kernel_vote", "tt_knn")
METRICS = ("geobleu@humob24", "geobleu@giscup25", "dtw@fixed")


@cache
def synthetic(city: str, users: int, baselines: tuple[str, ...]) -> Description:
    source = Synthetic(seed=1, users=users)
    table = source.load(city)
    scored = {name: statistic_scores(table, name, source.world(city)) for name in baselines}
    return describe(table, source.world(city), scored)


def off(got: float, wanted: float) -> float:
    """Relative difference."""
    return abs(got / wanted - 1.0)


@pytest.mark.parametrize("city", ["B", "C"])
def test_people_are_spread_like_real_ones(city: str) -> None:
    """Quartiles over users of points a day, distinct cells, share of the top cell, radius of gyration."""
    real, made = real_cities()[city], synthetic(city, 400, QUICK)
    for name, quartiles in real.people.items():
        for q, wanted in enumerate(quartiles):
            assert off(made.people[name][q], wanted) < 0.25, (name, q, made.people[name], quartiles)


@pytest.mark.parametrize("city", ["B", "C"])
def test_moves_are_like_real_ones(city: str) -> None:
    real, made = real_cities()[city], synthetic(city, 400, QUICK)
    for name, wanted in real.moves.items():
        assert abs(made.moves[name] - wanted) < 0.06, (name, made.moves[name], wanted)


@pytest.mark.parametrize("city", ["B", "C"])
def test_simple_baselines_score_as_on_real_users(city: str) -> None:
    real, made = real_cities()[city], synthetic(city, 400, QUICK)
    for name in QUICK:
        for metric in METRICS:
            assert off(made.scores[name][metric], real.scores[name][metric]) < 0.13, (name, metric)


@pytest.mark.slow
@pytest.mark.parametrize("city", ["B", "C"])
def test_baselines_score_within_a_tenth_and_in_the_same_order(city: str) -> None:
    """1,000 users: within 10 % of the real score, and never turned round where the real difference is clear."""
    real, made = real_cities()[city], synthetic(city, 1000, MAIN)
    for name in MAIN:
        for metric in METRICS:
            assert off(made.scores[name][metric], real.scores[name][metric]) < 0.10, (name, metric)
    for metric in METRICS:
        sign = 1 if metric.startswith("geobleu") else -1
        for better, worse in real.clear[metric]:
            if better in MAIN and worse in MAIN:
                ahead = sign * (made.scores[better][metric] - made.scores[worse][metric])
                assert ahead > 0, (metric, better, worse)
