"""How fast the statistics and the ranker are on a challenge's window: pytest -m bench tests/benchmarks."""

from __future__ import annotations

import pytest

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.trajectories import Trajectories
from bench.data.world import Grid

FAST = ("user_mode", "slot_mode", "weekday_slot_mode", "offday_slot_mode", "kernel_vote", "bigram", "tt_knn")


@pytest.fixture(scope="module")
def town() -> Trajectories:
    """Twenty people with 75 days each."""
    return people("R", range(20), 75, Grid())


@pytest.mark.bench
@pytest.mark.parametrize("name", [*FAST, "svr", "forest"])
def test_prediction_of_one_user(name: str, town: Trajectories, benchmark) -> None:  # type: ignore[no-untyped-def]
    """At most 10 ms for statistics, 100 ms for those that fit a model to each user."""
    model, user = registry.make(name), town.users[0]
    history, queries = town.of(user).days(0, 59), town.of(user).days(60, 74).queries()
    model.predict(history, queries, Context())
    benchmark(model.predict, history, queries, Context())


@pytest.mark.bench
def test_fit_of_the_ranker(town: Trajectories, benchmark) -> None:  # type: ignore[no-untyped-def]
    benchmark.pedantic(lambda: registry.make("candidate_boosting").fit(town, None, Context()), rounds=2)


@pytest.mark.bench
def test_predictions_of_the_ranker(town: Trajectories, benchmark) -> None:  # type: ignore[no-untyped-def]
    """Fifty users a second: at most 0.4 s for these twenty."""
    model = registry.make("candidate_boosting")
    model.fit(town, None, Context())
    history, queries = town.days(0, 59), town.days(60, 74).queries()
    benchmark.pedantic(model.predict, args=(history, queries, Context()), rounds=3, warmup_rounds=1)
