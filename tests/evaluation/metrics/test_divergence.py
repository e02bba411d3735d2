"""Divergences of all users together: equal to plain code, zero for the truth, with intervals over users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_divergence import People, divergences
from walks import constant, noisy, walks

from bench.data.sources import open_source
from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import CORPUS, score_corpus


def people(truth: Trajectories, x: np.ndarray, y: np.ndarray) -> People:
    """Rows as users, days, (slot, cell)."""
    found: list[dict[int, list]] = [{} for _ in truth.users]
    for user, (a, b) in enumerate(zip(truth.starts[:-1], truth.starts[1:], strict=True)):
        for i in range(a, b):
            found[user].setdefault(int(truth.d[i]), []).append((int(truth.t[i]), (int(x[i]), int(y[i]))))
    return [list(user.values()) for user in found]


def same_as_plain(truth: Trajectories, x: np.ndarray, y: np.ndarray) -> None:
    plain = divergences(people(truth, x, y), people(truth, truth.x, truth.y), 0.5)
    found = score_corpus(x, y, truth)
    assert set(found) == set(plain) == set(CORPUS)
    for name, value in plain.items():
        assert found[name].value == pytest.approx(value, abs=1e-12), name
        assert 0 <= found[name].low <= found[name].high <= np.log(2)


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), users=st.integers(2, 6), spread=st.integers(0, 12))
def test_they_are_those_of_plain_code(seed: int, users: int, spread: int) -> None:
    truth = walks(users, seed=seed, days=4)
    same_as_plain(truth, *noisy(truth, spread=spread))


def test_the_truth_is_perfect_and_standing_still_is_not() -> None:
    truth = walks(8, seed=5, days=6)
    perfect, still = score_corpus(truth.x, truth.y, truth), score_corpus(*constant(truth), truth)
    assert {part.value for part in perfect.values()} == {0.0}
    assert all(part.value > 0.1 for part in still.values())


def test_users_whose_answers_are_swapped_are_perfect() -> None:
    """They compare crowds: what the docstring says they cannot see."""
    one = walks(1, seed=1, days=5)
    both = Trajectories.build(
        one.cities,
        city=np.zeros(2 * len(one), np.int8),
        uid=np.repeat([1, 2], len(one)),
        **{name: np.tile(getattr(one, name), 2) for name in ("d", "t", "x", "y")},
    )
    moved = Trajectories(both.cities, both.city, both.uid, both.d, both.t, both.x.copy(), both.y)
    moved.x[: len(one)] += 20
    swapped = np.concatenate([moved.x[len(one) :], moved.x[: len(one)]])
    assert all(part.value == pytest.approx(0, abs=1e-12) for part in score_corpus(swapped, moved.y, moved).values())


def test_an_interval_shrinks_with_users_and_one_user_has_none() -> None:
    few, many = walks(10, seed=3, days=5), walks(90, seed=3, days=5)
    wide, narrow = (score_corpus(*noisy(table, spread=3), table)["jsd_distance@v1"] for table in (few, many))
    assert narrow.high - narrow.low < wide.high - wide.low
    assert narrow.low <= narrow.value <= narrow.high
    alone = score_corpus(*constant(walks(1)), walks(1))["jsd_places@v1"]
    assert (alone.low, alone.high) == (None, None)


def test_of_real_people_they_are_those_of_plain_code_too(humob100: Path) -> None:
    table = open_source(f"humob:{humob100}").load("B")
    truth = table.days(60, 62)
    before = table.days(57, 59)
    last = {user: (before.of(user).x[-1], before.of(user).y[-1]) for user in before.users}
    truth = truth.only(list(last))
    cells = np.array([last[user] for user, n in zip(truth.users, np.diff(truth.starts), strict=True) for _ in range(n)])
    same_as_plain(truth, cells[:, 0], cells[:, 1])
