"""The sweep raises the exact expected score of a day, and leaves alone what it cannot better."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.expected_day.ideas.refinement import refined
from baselines.expected_day.ideas.trial import Drawn
from bench.adapters.small_world import person
from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import score_users

X, Y = np.array([5, 6, 30, 31, 80]), np.array([5, 5, 40, 41, 9])


def drawn(days: np.ndarray) -> Drawn:
    """Return days (samples, 6): three points on each of two days."""
    rows = {"city": np.zeros(6), "uid": np.zeros(6), "d": np.repeat([3, 4], 3), "t": np.tile([1, 2, 3], 2)}
    asked = Trajectories.build(("Q",), **rows, x=np.ones(6), y=np.ones(6)).queries()
    return Drawn(person("Q", 1, 2), asked, days, X, Y)


def expected(one: Drawn, answer: np.ndarray) -> float:
    """Return the mean GEO-BLEU of an answer over the drawn days, one after the other."""
    columns = {name: getattr(one.queries, name) for name in ("city", "uid", "d", "t")}
    truths = [Trajectories.build(("Q",), **columns, x=X[cells], y=Y[cells]) for cells in one.days]
    name = "geobleu@humob24"
    return float(np.mean([score_users(X[answer], Y[answer], truth, [name], threads=1)[name][0] for truth in truths]))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_expected_score_never_falls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, answer = drawn(rng.integers(0, len(X), (8, 6))), rng.integers(0, len(X), 6)
    after = refined(one, answer, samples=8)
    changed = after != answer
    assert expected(one, after) >= expected(one, answer) + (1e-9 if changed.any() else 0)


def test_where_all_samples_agree_they_are_the_answer() -> None:
    day = np.array([0, 2, 4, 1, 1, 3])
    one = drawn(np.tile(day, (4, 1)))
    assert np.array_equal(refined(one, np.array([3, 2, 4, 1, 1, 0]), samples=4), day)
    assert np.array_equal(refined(one, day, samples=4), day)


def test_only_the_first_samples_count() -> None:
    few, many = np.array([0, 2, 1, 0, 2, 1]), np.array([0, 4, 1, 0, 4, 1])
    one = drawn(np.array([few] * 3 + [many] * 9))
    assert np.array_equal(refined(one, few, samples=3), few)
    assert np.array_equal(refined(one, few, samples=12), many)
