"""Figures of data sets: right on tables that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.describe import METRICS, describe, moves, people, real_cities
from bench.data.sources.synthetic.kinds import kind, kinds
from bench.data.trajectories import Trajectories
from bench.data.world import Grid, World
from bench.evaluation import metrics
from bench.running.user_statistics import statistic_scores


def table(*rows: tuple[int, int, int, int, int]) -> Trajectories:
    uid, d, t, x, y = np.array(rows).T
    return Trajectories.build(("B",), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)


def test_people_are_counted() -> None:
    """One user three times in a cell and once 4 cells off; another once; ten days."""
    made = people(table((1, 0, 1, 5, 5), (1, 0, 2, 5, 5), (1, 3, 1, 5, 5), (1, 9, 1, 9, 5), (2, 4, 4, 7, 7)), Grid())
    assert made["points a day"].tolist() == [0.4, 0.1]
    assert made["distinct cells"].tolist() == [2, 1]
    assert made["top cell's share"].tolist() == [0.75, 1.0]
    assert made["radius of gyration"].tolist() == pytest.approx([np.sqrt((3 * 1 + 9) / 4) / 2, 0.0])


def test_moves_are_shares_of_pairs_in_consecutive_slots() -> None:
    """Pairs: stay, one cell, 3 cells (1.5 km), 10 cells (5 km); a gap of two slots; days and users are not joined."""
    day = [(1, 0, 1, 5, 5), (1, 0, 2, 5, 5), (1, 0, 3, 6, 5), (1, 0, 4, 9, 5), (1, 0, 5, 9, 15), (1, 0, 7, 9, 15)]
    made = moves(table(*day, (1, 1, 8, 1, 1), (2, 1, 9, 1, 1)), Grid())
    assert made == {
        "in a run": 0.8,
        "stay": 0.25,
        "next cell": 0.25,
        "< 2 km": 0.25,
        "< 5 km": 0.0,
        ">= 5 km": 0.25,
    }


def test_a_constant_user_is_predicted_without_error() -> None:
    rows = [(1, d, t, 50, 60) for d in range(75) for t in (10, 20)]
    scored = statistic_scores(table(*rows), "user_mode", World())
    assert scored[list(METRICS)].to_numpy().tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_users_without_a_history_are_left_out() -> None:
    rows = [(1, d, 10, 50, 60) for d in range(75)] + [(2, 70, 10, 1, 1)]
    assert statistic_scores(table(*rows), "user_mode", World())["uid"].tolist() == [1]


def test_clear_differences_are_found_in_one_direction_only() -> None:
    rng = np.random.default_rng(0)
    rows = [(u, d, t, 50 + 20 * (t > 20) + rng.integers(2), 60) for u in range(9) for d in range(75) for t in (9, 30)]
    scored = {name: statistic_scores(table(*rows), name, World()) for name in ("user_mode", "slot_mode")}
    made = describe(table(*rows), World(), scored)
    assert made.users == 9
    assert list(made.clear["geobleu@humob24"]) == [["slot_mode", "user_mode"]]


def test_the_real_figures_are_complete_aggregates() -> None:
    cities = real_cities()
    assert [name for name, figures in cities.items() if figures.scores] == ["B", "C"]
    assert {kind(name).beside for name in kinds()} == set(cities) - {"B", "C"}
    for figures in (cities["B"], cities["C"]):
        assert figures.users == 100
        assert all(set(METRICS) == set(scores) for scores in figures.scores.values())
        assert figures.scores["slot_mode"]["geobleu@humob24"] > figures.scores["user_mode"]["geobleu@humob24"]


def test_the_direction_of_each_metric_is_that_of_its_definition() -> None:
    assert {name: {"higher": 1, "lower": -1}[metrics.get(name).better] for name in METRICS} == METRICS
