"""Timing of a model: how many users it takes, and which."""

from __future__ import annotations

import pytest

from bench.adapters import registry
from bench.adapters.small_world import SmallWorld
from bench.profiling import timing


@pytest.mark.parametrize(("enough", "users"), [(60.0, timing.LATENCY_USERS), (0.0, timing.FEWEST_USERS)])
def test_a_slow_model_is_timed_on_fewer_users(monkeypatch: pytest.MonkeyPatch, enough: float, users: int) -> None:
    monkeypatch.setattr(timing, "ENOUGH_SECONDS", enough)
    split = SmallWorld.make(testers=30).split
    found = timing.measure(registry.make("slot_mode"), split.history, split.queries, SmallWorld.make().context())
    assert found["latency_users"] == users
    assert 0 < found["latency_median_s"] <= found["latency_p95_s"]


def test_the_first_few_are_spread_over_all() -> None:
    queries = SmallWorld.make(testers=30).split.queries
    order = [queries.users.index(user) for user in timing._spread(queries)]
    assert len(set(order)) == timing.LATENCY_USERS
    assert max(order[:4]) - min(order[:4]) >= len(queries.users) // 2


def test_a_call_that_was_timed_is_not_made_again() -> None:
    world = SmallWorld.make()
    model = registry.make("slot_mode")
    _answers, batch = timing.timed_call(model, world.split.history, world.split.queries, world.context())
    found = timing.measure(model, world.split.history, world.split.queries, world.context(), batch)
    assert found["throughput_per_s"] == pytest.approx(batch.users / batch.seconds)
