"""What a trajectory costs expected_day, part by part: pytest -m bench tests/benchmarks/test_expected_day_speed.py.

Aim: 5 ms a trajectory on one core for the real users of city B (60 days known, 15 asked), decoding at most 2 ms of it;
linear in the history and in the queries. extra_info has ms per trajectory.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.expected_day import transitions
from baselines.expected_day.choices import Choices, _all_votes
from baselines.statistics._votes import Places
from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.files.csvfiles import read_points
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid
from bench.evaluation.decoding import best_days

pytestmark = [pytest.mark.bench, pytest.mark.benchmark(timer=time.process_time)]  # one core's time, whoever else runs
CTX = Context()
Users = list[tuple[Trajectories, Queries]]


def cut(table: Trajectories) -> Users:
    """Return each user's days 0-59 and queries of days 60-74."""
    return [(table.of(user).days(0, 59), table.of(user).days(60, 74).queries()) for user in table.users]


@pytest.fixture(scope="module", params=["made", "real B"])
def users(request: pytest.FixtureRequest) -> Users:
    """People made up (24 points a day, few places), or 100 real ones of city B (12 points a day, 116 places)."""
    if request.param == "made":
        return cut(people("R", range(20), 75, Grid()))
    return cut(read_points(request.getfixturevalue("humob100") / "city_B.csv.gz", city="B").visible)


def timed(benchmark: Any, users: Users, call: Callable[[int], object]) -> None:
    """Time one call for each user, by number; report milliseconds a trajectory."""
    everybody = range(len(users))
    benchmark.pedantic(lambda: [call(i) is None for i in everybody], rounds=5, warmup_rounds=1)
    benchmark.extra_info["ms_per_trajectory"] = round(1000 * benchmark.stats.stats.min / len(users), 3)


def test_all(benchmark: Any, users: Users) -> None:
    model = registry.make("expected_day", {"learn": "nothing"})
    timed(benchmark, users, lambda i: model.answer(*users[i], CTX))


def test_without_transitions(benchmark: Any, users: Users) -> None:
    model = registry.make("expected_day", {"learn": "nothing", "transitions": 0.0})
    timed(benchmark, users, lambda i: model.answer(*users[i], CTX))


def test_votes(benchmark: Any, users: Users) -> None:
    timed(benchmark, users, lambda i: _all_votes(*users[i], Places.of(users[i][0]), CTX))


def test_candidates_with_their_columns(benchmark: Any, users: Users) -> None:
    timed(benchmark, users, lambda i: Choices.of(*users[i], 30, CTX))


def test_counting_transitions(benchmark: Any, users: Users) -> None:
    found = [Choices.of(*user, 30, CTX) for user in users]
    timed(benchmark, users, lambda i: transitions.past(users[i][0], found[i].places, found[i].stays, CTX))


def test_candidates_and_drawing(benchmark: Any, users: Users) -> None:
    model = registry.make("expected_day", {"learn": "nothing"})
    timed(benchmark, users, lambda i: model.draw(*users[i], CTX))


@pytest.mark.parametrize("score", ["humob24", "giscup25"])
def test_decoding(benchmark: Any, users: Users, score: str) -> None:
    model = registry.make("expected_day", {"learn": "nothing", "score": score})
    drawn = [model.draw(*user, CTX) for user in users]

    def decode(i: int) -> object:
        found, days = drawn[i]
        return best_days(days, found.places.x, found.places.y, users[i][1].d, model.settings.aim)

    timed(benchmark, users, lambda i: decode(i))


@pytest.mark.parametrize("days", [15, 30, 60])
def test_longer_histories(benchmark: Any, days: int) -> None:
    """Twice the history should take at most twice the time."""
    table = people("R", range(20), 75, Grid())
    users = [(table.of(u).days(60 - days, 59), table.of(u).days(60, 74).queries()) for u in table.users]
    test_all(benchmark, users)


def test_fit(benchmark: Any, humob100: Path) -> None:
    """Seconds for 100 real users' days 0-59."""
    train = read_points(humob100 / "city_B.csv.gz", city="B").visible.days(0, 59)
    benchmark.pedantic(lambda: registry.make("expected_day").fit(train, None, CTX), rounds=1, warmup_rounds=1)


def test_memory(users: Users) -> None:
    """Most memory taken for one user's answer, beside what is loaded."""
    model = registry.make("expected_day", {"learn": "nothing"})
    model.answer(*users[0], CTX)
    tracemalloc.start()
    peaks = []
    for user in users:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        model.answer(*user, CTX)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    print(f"memory of an answer: mean {np.mean(peaks) / 1e6:.1f} MB, largest {max(peaks) / 1e6:.1f} MB")
    assert max(peaks) < 100e6
