"""The bootstrap: intervals cover, differences of the stated size are seen, and nobody's presence matters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.evaluation import bootstrap


@pytest.mark.parametrize("users", [10, 20, 60])
def test_the_interval_covers_the_true_mean_about_as_often_as_it_says(users: int) -> None:
    rng = np.random.default_rng(5)
    trials = rng.normal(3.0, 2.0, (users, 800))
    low, high = bootstrap.interval(bootstrap.over_users(trials, "X", 1000))
    covered = float(((low <= 3.0) & (high >= 3.0)).mean())
    assert 0.93 <= covered <= 0.97


def test_a_difference_of_the_detectable_size_is_seen_in_about_four_of_five() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 1, (80, 300))
    samples = bootstrap.over_users(noise, "X", 1000)
    size = float(np.median(bootstrap.detectable(samples[:, :2])))
    expected = (1.96 + 0.84) * np.sqrt(2 / 80)
    assert size == pytest.approx(expected, rel=0.3)
    shifted = bootstrap.over_users(noise[:, 0::2] - noise[:, 1::2] + expected, "X", 1000)
    assert 0.70 <= float((bootstrap.interval(shifted)[0] > 0).mean()) <= 0.90


def test_a_column_does_not_change_when_others_come_and_go() -> None:
    scores = np.random.default_rng(8).normal(0, 1, (40, 6))
    np.testing.assert_allclose(
        bootstrap.over_users(scores, "C", 300)[:, 2], bootstrap.over_users(scores[:, [2]], "C", 300)[:, 0], rtol=1e-12
    )


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(9).normal(0, 1, (30, 2))
    whole = bootstrap.over_users(scores, "C", 500)
    monkeypatch.setattr(bootstrap, "_BLOCK", 30 * 7)
    np.testing.assert_allclose(bootstrap.over_users(scores, "C", 500), whole, rtol=1e-12)


def test_a_single_user_has_no_interval() -> None:
    low, high = bootstrap.interval(bootstrap.over_users(np.array([[0.3, 0.4]]), "C", 200))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


@pytest.mark.parametrize("v", [9, 19, 99])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 105])
def test_students_quantiles_are_those_of_scipy(v: int, alpha: float) -> None:
    z = float(stats.norm.isf(alpha / 2))
    assert bootstrap.student(z, v) == pytest.approx(float(stats.t.isf(alpha / 2, v)), rel=5e-3)


def test_users_without_a_score_are_left_out() -> None:
    scores = np.full((50, 1), 4.0)
    scores[::3] = np.nan
    assert bootstrap.over_users(scores, "C", 200) == pytest.approx(4.0)


def test_windows_of_one_user_are_drawn_together() -> None:
    scores = np.random.default_rng(11).normal(0, 1, (12, 2))
    alone = bootstrap.over_users(scores, "C", 500)
    windows, owners = np.repeat(scores, 7, axis=0), np.repeat(np.arange(12), 7)
    shuffled = np.random.default_rng(12).permutation(len(owners))
    together = bootstrap.over_users(windows[shuffled], "C", 500, owners[shuffled])
    np.testing.assert_allclose(together, alone, rtol=1e-9)  # seven copies of a user say no more than one
    apart = bootstrap.over_users(windows, "C", 500)
    assert np.all(np.ptp(bootstrap.interval(apart), axis=0) < 0.6 * np.ptp(bootstrap.interval(alone), axis=0))


def test_the_interval_over_owners_of_unequal_windows_covers() -> None:
    rng = np.random.default_rng(13)
    owners = np.repeat(np.arange(20), rng.integers(1, 8, 20))
    trials = rng.normal(0, 1, (20, 600))[owners] + rng.normal(0, 0.3, (len(owners), 600))
    low, high = bootstrap.interval(bootstrap.over_users(trials, "X", 1000, owners))
    assert 0.91 <= float(((low <= 0) & (high >= 0)).mean()) <= 0.98
    low, high = bootstrap.interval(bootstrap.over_users(trials, "X", 1000))
    assert float(((low <= 0) & (high >= 0)).mean()) < 0.85


def test_windows_of_a_single_user_have_no_interval() -> None:
    assert np.isnan(bootstrap.over_users(np.ones((5, 1)), "C", 10, np.zeros(5))).all()
    weights = bootstrap.drawn(np.array([0, 1, 0]), 50, "any")
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] + weights[:, 1] == 2).all()


def test_seeds_widen_the_interval_and_one_seed_does_not() -> None:
    users = np.random.default_rng(10).normal(0, 0.1, (40, 1))
    drawn = bootstrap.over_users(np.hstack([users, users + 1, users - 1]), "C", 2000).T
    one, three = bootstrap.over_seeds(drawn[:1], "m"), bootstrap.over_seeds(drawn, "m")
    assert np.array_equal(one, drawn[0])
    assert np.ptp(bootstrap.interval(three)) > 5 * np.ptp(bootstrap.interval(one))
    assert three.mean() == pytest.approx(one.mean(), abs=0.1)


def test_wins_count_draws_half_and_know_the_direction() -> None:
    mine, theirs = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 4.0, 5.0])
    assert bootstrap.win_share(mine, theirs, "higher") == 0.375
    assert bootstrap.win_share(mine, theirs, "lower") == 0.625
