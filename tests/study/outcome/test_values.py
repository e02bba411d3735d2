"""Shapley values and what a city adds: laws that hold for any scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study.outcome.values import marginal, shapley, subsets

EMPTY: frozenset[str] = frozenset()


@st.composite
def worths(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[frozenset[str], np.ndarray]]:
    """One to five cities and a score of every subset."""
    players = tuple("ABCDE"[: draw(st.integers(1, 5))])
    every = list(subsets(players))
    scores = draw(st.lists(st.floats(-1e3, 1e3), min_size=len(every), max_size=len(every)))
    return players, {chosen: np.float64(score) for chosen, score in zip(every, scores, strict=True)}


@settings(max_examples=60, deadline=None)
@given(worths())
def test_values_add_up_to_all_cities_less_none(
    made: tuple[tuple[str, ...], dict[frozenset[str], np.ndarray]],
) -> None:
    players, worth = made
    total = sum(shapley(worth, players).values())
    assert total == pytest.approx(worth[frozenset(players)] - worth[EMPTY], abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(worths())
def test_values_are_the_mean_over_all_orders_of_arrival(
    made: tuple[tuple[str, ...], dict[frozenset[str], np.ndarray]],
) -> None:
    players, worth = made
    orders = list(itertools.permutations(players))
    found = shapley(worth, players)
    for player in players:
        gains = []
        for order in orders:
            before = frozenset(order[: order.index(player)])
            gains.append(worth[before | {player}] - worth[before])
        assert found[player] == pytest.approx(np.mean(gains), abs=1e-8)


def test_of_three_cities_two_alike_share_what_they_bring() -> None:
    # A and B bring the same 4; C brings 2 of its own.
    worth = {chosen: np.float64(4 * bool(chosen & {"A", "B"}) + 2 * ("C" in chosen)) for chosen in subsets("ABC")}
    assert shapley(worth, "ABC") == {"A": 2.0, "B": 2.0, "C": 2.0}
    added = marginal(worth, "ABC")
    assert (added["B", "B"], added["B", "A"], added["B", "C"]) == (4.0, 0.0, 4.0)
    assert (added["C", "C"], added["C", "A"]) == (2.0, 2.0)


def test_values_of_samples_are_samples_of_values() -> None:
    rng = np.random.default_rng(0)
    samples = {chosen: rng.normal(size=7) for chosen in subsets("ABCD")}
    together = shapley(samples, "ABCD")
    for i in range(7):
        one = shapley({chosen: drawn[i] for chosen, drawn in samples.items()}, "ABCD")
        assert [together[city][i] for city in "ABCD"] == pytest.approx([one[city] for city in "ABCD"])
