"""Pairs of Shapley values: their difference, its interval, and what a report says of them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.study.outcome.comparisons import ALL, Panel
from bench.study.outcome.findings import _differences
from bench.study.outcome.mixes import Context, differences, values
from bench.study.outcome.values import subsets
from bench.study.search.finalists import NOTHING

PLAYERS = ("A", "B", "C")
NAMES = {chosen: "+".join(sorted(chosen)) or NOTHING for chosen in subsets(PLAYERS)}
CONTEXT = Context("60 trajectories a city", PLAYERS, NAMES, 0)


def panel(worth: dict[str, float], noise: float) -> Panel:
    """A set is worth the sum of its cities. All scores move together by chance, and each a little alone."""
    rng = np.random.default_rng(0)
    together = rng.normal(size=1000)
    scores = {name: 0.2 + sum(worth[city] for city in chosen) for chosen, name in NAMES.items()}
    drawn = {name: value + together + noise * rng.normal(size=1000) for name, value in scores.items()}
    keys = [(name, target) for name in scores for target in ("T", ALL)]
    return Panel("geobleu@humob24", ("T",), {k: scores[k[0]] for k in keys}, {k: drawn[k[0]] for k in keys}, users=40)


def test_a_difference_is_that_of_the_values_and_the_higher_stands_first() -> None:
    made = panel({"A": 0.1, "B": 0.3, "C": 0.1}, 0.001)
    alone = {value.city: value.estimate for value in values(made, CONTEXT) if value.target == "T"}
    found = differences(made, CONTEXT)
    assert set(found) == {(t, *pair) for t in ("T", ALL) for pair in (("B", "A"), ("A", "C"), ("B", "C"))}
    for (_, higher, lower), estimate in found.items():
        assert estimate.value == pytest.approx(alone[higher].value - alone[lower].value, abs=1e-12)
        assert estimate.low <= estimate.value <= estimate.high


def test_significant_pairs_are_counted_and_those_furthest_apart_are_named() -> None:
    said = _differences(panel({"A": 0.1, "B": 0.3, "C": 0.1}, 0.001), CONTEXT)
    assert said.startswith("4 of 6 pairs of Shapley values for the same target differ significantly.")
    assert "for T, B minus A +0.200" in said
    assert "C minus A" not in said


def test_equal_values_are_said_to_be_so() -> None:
    said = _differences(panel({"A": 0.1, "B": 0.1, "C": 0.1}, 0.05), CONTEXT)
    assert said == "No two Shapley values for the same target differ significantly (6 pairs)."


def test_without_all_sets_there_is_no_difference() -> None:
    assert differences(panel(dict.fromkeys(PLAYERS, 0.1), 0.1), Context("x", PLAYERS, NAMES, 1)) == {}
