"""What models spent, over calls and cases."""

from __future__ import annotations

import pytest

from bench.adapters import usage


def test_sums_and_the_smallest() -> None:
    calls = [{"users": 1, "passes": 3, "smallest_margin": 0.5}, {"users": 2, "passes": 9, "smallest_margin": 0.1}]
    assert usage.total(calls) == {"users": 3, "passes": 12, "smallest_margin": 0.1}
    assert usage.per_trajectory(calls) == {"passes": 4, "smallest_margin": 0.1}


def test_nobody_spends_nothing() -> None:
    assert usage.total([]) == {}
    assert usage.per_trajectory([{}, {}]) == {}
    assert usage.per_trajectory([{"users": 0, "passes": 0}]) == {}


def test_a_call_without_users_adds_nothing_to_the_mean() -> None:
    assert usage.per_trajectory([{"users": 2, "passes": 8}, {}]) == {"passes": 4}


def test_means_over_cases_count_each_case_once() -> None:
    found = usage.mean([{"passes": 2.0, "smallest_margin": 0.3}, {"passes": 4.0, "smallest_margin": 0.2}, {}])
    assert found == {"passes": pytest.approx(3.0), "smallest_margin": 0.2}
