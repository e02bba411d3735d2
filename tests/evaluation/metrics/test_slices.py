"""Slices: which points they hold, and that a slice's score is the metric of its points alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.data.trajectories import Trajectories
from bench.data.world import Window, World
from bench.evaluation.metrics import names, score_users
from bench.evaluation.metrics.slices import OF_DAYS, Mean, means, score_slices, slices_of

WORLD, WINDOW = World(), Window((0, 9), (10, 12))


def table(rows: list[tuple[int, int, int, int, int]]) -> Trajectories:
    return Trajectories.from_frame(pd.DataFrame(rows, columns=["uid", "d", "t", "x", "y"]), "B")


def random_world(seed: int, users: int = 14) -> tuple[Trajectories, Trajectories, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    keys = [(u, d, t) for u in range(users) for d in range(13) for t in range(48) if rng.random() < 0.2]
    whole = table([(u, d, t, *rng.integers(50, 53, 2)) for u, d, t in keys])
    history, truth = whole.days(*WINDOW.history), whole.days(*WINDOW.horizon)
    x, y = (np.clip(c + rng.integers(-1, 2, len(truth)), 1, 200) for c in (truth.x, truth.y))
    return history, truth, x, y


def test_each_kind_holds_the_points_it_names() -> None:
    history = table([(1, 9, 40, 5, 5), (1, 8, 3, 7, 7)])
    truth = table([(1, 10, 2, 5, 5), (1, 10, 30, 7, 7), (1, 12, 47, 6, 6), (2, 10, 0, 5, 5), (2, 10, 1, 5, 5)])
    found = {kind.kind: [kind.names[c] if c >= 0 else "" for c in kind.codes] for kind in _kinds(truth, history)}
    assert found["step"] == ["stay", "move", "move", "", "stay"]  # user 2 has no point before the first
    assert found["cell"] == ["visited", "visited", "new", "new", "new"]
    assert found["day"] == ["1", "1", "3", "1", "1"]
    assert found["hour"] == ["1", "15", "23", "0", "0"]
    off = WORLD.calendar.is_off(truth.d)
    assert found["day_type"] == ["off" if free else "workday" for free in off]


def _kinds(truth: Trajectories, history: Trajectories) -> list:
    return list(slices_of(truth, history, WORLD, WINDOW))


def test_a_slice_is_scored_as_its_points_alone() -> None:
    history, truth, x, y = random_world(1)
    wanted = [name for name in names() if name != "fastdtw@check"]
    kinds = _kinds(truth, history)
    found = score_slices(x, y, truth, wanted, kinds, WORLD)
    for kind in kinds:
        for code, name in enumerate(kind.names):
            rows = kind.codes == code
            mine = found[(found["kind"] == kind.kind) & (found["slice"] == name)].reset_index(drop=True)
            alone = score_users(x[rows], y[rows], truth.take(rows), wanted, world=WORLD)
            assert mine["uid"].tolist() == alone["uid"].tolist()
            assert mine["points"].tolist() == alone["points"].tolist()
            for metric in wanted:
                if kind.kind in OF_DAYS or metric not in ("rhythm@v1", "jump_distance@v1", "plausible_jumps@v1"):
                    np.testing.assert_array_equal(mine[metric], alone[metric])
                else:
                    assert mine[metric].isna().all()


def test_days_of_the_horizon_average_to_the_whole() -> None:
    history, truth, x, y = random_world(2)
    metric = "geobleu@humob24"
    whole = score_users(x, y, truth, (metric,), world=WORLD).set_index("uid")[metric]
    sliced = score_slices(x, y, truth, (metric,), _kinds(truth, history), WORLD)
    days = sliced[sliced["kind"] == "day"].groupby("uid")[metric].mean()
    np.testing.assert_allclose(days, whole)


def test_means_are_over_users_and_few_users_have_no_interval() -> None:
    history, truth, x, y = random_world(3)
    sliced = score_slices(x, y, truth, ("accuracy@v1",), _kinds(truth, history), WORLD)
    found = means(sliced, "accuracy@v1", "B")
    moves = sliced[sliced["slice"] == "move"]["accuracy@v1"]
    assert found["step=move"].mean == pytest.approx(moves.mean())
    assert found["step=move"].low < moves.mean() < found["step=move"].high
    assert list(found)[:2] == ["step=move", "step=stay"]
    hours = [key for key in found if key.startswith("hour=")]
    assert hours == [f"hour={hour}" for hour in range(24)]
    few = means(sliced[sliced["uid"] < 9], "accuracy@v1", "B")["step=move"]
    assert few == Mean(9, few.mean, None, None)
