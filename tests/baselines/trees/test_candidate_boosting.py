"""candidate_boosting: trees equal to scikit-learn's, windows within the training days, features that hold no truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor

from baselines._windows import windows
from baselines.trees._candidates import NAMES, Candidates
from baselines.trees._trees import Trees
from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld, people
from bench.data.trajectories import OK, Trajectories
from bench.data.world import Window


@pytest.mark.parametrize("depth", [1, None])
def test_the_trees_predict_what_scikit_learn_predicts(depth: int | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 5)).astype(np.float32)
    x[:, 4] = np.rint(x[:, 4])
    y = x[:, 0] * x[:, 1] + (x[:, 4] > 0)
    model = HistGradientBoostingRegressor(max_iter=20, max_depth=depth, random_state=0).fit(x, y)
    trees = Trees.of(model)
    trees.save(tmp_path)
    unseen = rng.normal(size=(500, 5)).astype(np.float32)
    for rows in (x, unseen):
        assert np.array_equal(trees.predict(rows), model.predict(rows))
        assert np.array_equal(Trees.load(tmp_path).predict(rows), model.predict(rows))


def test_a_tree_without_a_split_is_one_leaf() -> None:
    model = HistGradientBoostingRegressor(max_iter=3).fit(np.zeros((50, 2)), np.arange(50.0))
    assert np.array_equal(Trees.of(model).predict(np.ones((4, 2), np.float32)), model.predict(np.ones((4, 2))))


def days(first: int, last: int) -> Trajectories:
    return people("Q", range(1), last + 1).days(first, last)


def test_windows_are_cut_from_the_last_day_backwards() -> None:
    found = windows(days(0, 74), Window((0, 59), (60, 74)), 3)
    assert found == [((0, 59), (60, 74)), ((0, 44), (45, 59)), ((0, 29), (30, 44))]
    assert windows(days(39, 62), Window((39, 59), (60, 62)), 2) == [((39, 59), (60, 62)), ((39, 56), (57, 59))]


def test_without_room_for_a_horizon_the_case_is_skipped_with_the_reason() -> None:
    split = SmallWorld.make().split
    model = registry.make("candidate_boosting")
    assert model.skip(split) is None
    reason = model.skip(replace(split, train=split.train.days(0, 8)))
    assert reason == "the training days are too few for a horizon of 3 days after a history"


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 40), length=st.integers(1, 75), past=st.integers(1, 60), horizon=st.integers(1, 15))
def test_every_window_lies_within_the_training_days(first: int, length: int, past: int, horizon: int) -> None:
    train = Trajectories.build(
        ("Q",),
        **{name: np.array([value, value]) for name, value in (("city", 0), ("uid", 1), ("t", 0), ("x", 1), ("y", 1))},
        d=np.array([first, first + length]),
    )
    window = Window((100 - past, 99), (100, 99 + horizon))
    for (start, end), (begin, last) in windows(train, window, 5):
        assert first <= start <= end < begin <= last <= first + length
        assert end + 1 == begin
        assert last - begin + 1 == horizon
        assert end - start + 1 <= past


def test_features_are_finite_and_named_and_the_best_voted_place_leads() -> None:
    world = SmallWorld.make()
    for user in world.split.history.users:
        history, queries = world.split.history.of(user), world.split.queries.of(user)
        found = Candidates.of(history, queries, 5, world.context())
        assert found.features.shape == (len(queries), found.x.shape[1], len(NAMES))
        assert np.isfinite(found.features).all()
        smooth = found.features[:, :, NAMES.index("smooth_0")]
        assert (np.diff(smooth, axis=1) <= 1e-6).all()
        seen = set(zip(history.x.tolist(), history.y.tolist(), strict=True))
        assert set(zip(found.x.ravel().tolist(), found.y.ravel().tolist(), strict=True)) <= seen


def test_it_learns_what_the_votes_do_not_know() -> None:
    """In this city everybody returns to yesterday's place of the hour: recency, which kernel_vote weighs little."""
    rng = np.random.default_rng(1)
    rows = []
    for uid in range(30):
        here = rng.integers(20, 180, 2)
        for d in range(28):
            here = rng.integers(20, 180, 2) if d % 4 == 0 else here
            rows += [(uid, d, t, *here) for t in range(0, 48, 6)]
    uid, d, t, x, y = np.array(rows).T
    table = Trajectories.build(("Q",), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)
    context = Context(window=Window((0, 24), (25, 25)))
    train, test = table.only(table.users[:20]).days(0, 25), table.only(table.users[20:])
    truth = test.days(25, 25)
    right = {}
    for name, given_settings in (("kernel_vote", {}), ("candidate_boosting", {"windows": 12, "least_rows": 5})):
        model = registry.make(name, given_settings)
        model.fit(train, None, context)
        answers = model.predict(test.days(0, 24), truth.queries(), context)
        assert (answers.status == OK).all()
        right[name] = float(((answers.x == truth.x) & (answers.y == truth.y)).mean())
    assert right["candidate_boosting"] > 0.95
    assert right["kernel_vote"] < 0.5
