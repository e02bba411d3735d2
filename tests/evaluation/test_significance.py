"""Verdicts over many models: equal ones tie, leads are seen, and the number of pairs is corrected for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evaluation import bootstrap, significance
from bench.evaluation.significance import better, rank_ranges


@settings(max_examples=30)
@given(users=st.integers(3, 60), seed=st.integers(0, 10_000), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_equal_models_tie_whatever_their_scores(users: int, seed: int, scale: float) -> None:
    scores = scale * np.random.default_rng(seed).normal(0, 1, (users, 1))
    won = better(bootstrap.over_users(np.repeat(scores, 5, axis=1), "X", 500), users)
    assert not won.any()
    assert rank_ranges(won) == [(1, 5)] * 5


@settings(max_examples=30)
@given(users=st.integers(8, 60), seed=st.integers(0, 10_000), lead=st.floats(0.05, 10))
def test_a_lead_on_every_user_is_seen_however_different_the_users(users: int, seed: int, lead: float) -> None:
    base = np.random.default_rng(seed).normal(0, 100, users)
    won = better(bootstrap.over_users(np.stack([base, base + lead], axis=1), "X", 500), users)
    assert won.tolist() == [[False, False], [True, False]]
    assert rank_ranges(won) == [(2, 2), (1, 1)]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), models=st.integers(2, 8))
def test_no_two_beat_each_other_and_each_may_have_the_rank_it_has(seed: int, models: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 1, (25, models)) + np.linspace(0, 1, models)
    won = better(bootstrap.over_users(scores, "X", 400), 25)
    assert not (won & won.T).any()
    assert all(1 <= first <= last <= models for first, last in rank_ranges(won))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), models=st.integers(3, 8))
def test_correcting_takes_verdicts_away_and_adds_none(seed: int, models: int) -> None:
    scores = np.random.default_rng(seed).normal(0, 1, (25, models)) + np.linspace(0, 1, models)
    samples = bootstrap.over_users(scores, "X", 400)
    low, _ = bootstrap.interval(samples[:, :, None] - samples[:, None, :])
    assert (low > 0)[better(samples, 25)].all()


def test_one_pair_is_judged_by_its_interval_alone() -> None:
    rng = np.random.default_rng(3)
    for shift in np.linspace(-0.6, 0.6, 25):
        samples = bootstrap.over_users(rng.normal([0, shift], 1, (30, 2)), "X", 1000)
        low, high = bootstrap.interval(samples[:, 1] - samples[:, 0])
        assert better(samples, 30).tolist() == [[False, bool(high < 0)], [bool(low > 0), False]]


def test_the_bar_of_one_pair_is_the_interval_and_rises_with_the_pairs() -> None:
    assert significance.bar(1, 20) == pytest.approx(1.0)
    bars = [significance.bar(pairs, 100) for pairs in (1, 3, 10, 105)]
    assert bars == sorted(bars)


def test_fifteen_equal_models_show_a_false_verdict_in_about_one_table_of_twenty() -> None:
    """Without correction four tables of five do: 82 %."""
    rng = np.random.default_rng(6)
    wrong, uncorrected, tables = 0, 0, 200
    for i in range(tables):
        scores = rng.normal(0, 1, (60, 1)) + rng.normal(0, 0.25, (60, 15))
        samples = bootstrap.over_users(scores, f"table {i}", 1000)
        wrong += bool(better(samples, 60).any())
        uncorrected += any(better(samples[:, [a, b]], 60).any() for a in range(15) for b in range(a))
    assert uncorrected / tables > 0.7
    assert 0.005 <= wrong / tables <= 0.09


@given(st.lists(st.floats(0.0, 6.0), min_size=1, max_size=30), st.integers(5, 200))
def test_holm_lies_between_bonferroni_and_no_correction(found: list[float], users: int) -> None:
    held = significance.holm(np.array(found), len(found), users)
    assert (np.array(found)[held] >= significance.bar(1, users)).all()
    assert held[np.array(found) >= significance.bar(len(found), users)].all()
