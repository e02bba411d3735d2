"""expected_day: the fit finds what made the data, weights are read strictly, nothing beyond the histories is used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baselines.expected_day import PRETRAINED
from baselines.expected_day.choices import UNARY
from baselines.expected_day.fitting import Examples, examples, fit
from baselines.expected_day.weights import TRANSITIONS, Weights
from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld, people, person
from bench.data.trajectories import OK, Trajectories
from bench.data.world import Window
from bench.errors import UserError


def test_the_fit_finds_the_weights_that_made_the_choices() -> None:
    rng = np.random.default_rng(0)
    shape = (len(UNARY) + len(TRANSITIONS), 4000, 5)
    columns = np.zeros(shape, np.float32)
    columns[0], columns[len(UNARY)] = rng.normal(size=shape[1:]) * 2, rng.normal(size=shape[1:])
    real = rng.random(shape[1:]) < 0.9
    real[:, 0] = True
    logits = np.where(real, 0.8 * columns[0] - 0.5 * columns[len(UNARY)], -np.inf)
    truth = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    found = fit(Examples(columns, truth, real), ridge=1.0, steps=80)
    assert found.joint[0] == pytest.approx(0.8, abs=0.06)
    assert found.transitions[0] == pytest.approx(-0.5, abs=0.08)
    assert 0.6 < found.alone[0] < 0.8  # what is left out blurs the rest
    assert not found.joint[1:].any()  # columns that never vary get no weight


def test_users_with_few_places_share_a_table_with_others() -> None:
    few, many = person("Q", 1, 24), person("Q", 2, 24)
    few = replace(few, x=np.full_like(few.x, 7), y=np.full_like(few.y, 9))
    ctx = Context(window=Window((0, 20), (21, 23)))
    found = examples(Trajectories.concat([few, many]), 1, 20, 10_000, ctx)
    assert found is not None
    assert set(found.real.sum(axis=1).tolist()) >= {1}
    assert found.real[np.arange(len(found.truth)), found.truth].all()
    assert not found.columns[:, ~found.real].any()


def test_weights_are_read_by_name_and_strictly(tmp_path: Path) -> None:
    shipped = Weights.load(PRETRAINED)
    assert np.abs(shipped.joint).max() < 100
    file = tmp_path / "weights.json"
    shipped.save(file)
    again = Weights.load(file)
    assert all(
        np.array_equal(getattr(again, part), getattr(shipped, part)) for part in ("alone", "joint", "transitions")
    )
    for fault in (
        lambda part: part.pop("near_0"),
        lambda part: part.update(more=1.0),
        lambda part: part.update(near_0=None),
    ):
        named = json.loads(file.read_text())
        fault(named["joint"])
        broken = tmp_path / "broken.json"
        broken.write_text(json.dumps(named))
        with pytest.raises(UserError, match=r"joint: weight '(near_0|more)' is missing, unknown or not a number"):
            Weights.load(broken)


def test_mixing_the_two_fits() -> None:
    weights = Weights(np.zeros(len(UNARY)), np.ones(len(UNARY)), np.full(len(TRANSITIONS), 4.0))
    assert np.array_equal(weights.mixed(0.0)[0], weights.alone)
    assert weights.mixed(0.0)[1].size == 0
    assert (weights.mixed(0.25)[0] == 0.25).all()
    assert (weights.mixed(0.25)[1] == 1.0).all()


def test_learning_from_histories_looks_at_no_day_of_the_horizon() -> None:
    ctx = Context(window=Window((0, 20), (21, 23)))
    rows = people("Q", range(5), 24)
    moved = replace(rows, x=np.where(rows.d > 20, 1, rows.x).astype(np.int16))
    made = []
    for train in (rows, moved):
        model = registry.make("expected_day", {"learn": "test histories", "points": 500})
        assert model.learns_from == "test histories"
        model.fit(train, None, ctx)
        made.append(model.weights)
    assert np.array_equal(made[0].joint, made[1].joint)
    assert model.facts()["init"] == "scratch"


def test_three_days_of_history_are_answered_with_the_shipped_weights() -> None:
    window = Window((0, 2), (3, 4))
    ctx, rows = Context(window=window), people("Q", range(3), 5)
    model = registry.make("expected_day", {"learn": "test histories"})
    model.fit(rows.days(0, 2).take(slice(0, 40)), None, ctx)
    given = model.predict(rows.days(0, 2), rows.days(3, 4).queries(), ctx)
    assert (given.status == OK).all()
    short = registry.make("expected_day", {"learn": "test histories"})
    short.fit(rows.days(0, 0), None, ctx)
    assert short.facts()["init"] == "pretrained"


@pytest.mark.parametrize("decode", ["slot", "proximity", "expected_geobleu", "sample"])
def test_a_user_who_never_moves_is_answered_with_the_one_cell(decode: str) -> None:
    rows = person("R", 1, 24)
    rows = replace(rows, x=np.full_like(rows.x, 7), y=np.full_like(rows.y, 9))
    model = registry.make("expected_day", {"learn": "nothing", "decode": decode})
    given = model.predict(rows.days(0, 20), rows.days(21, 23).queries(), SmallWorld.make().context())
    assert set(given.x.tolist()) == {7}
    assert set(given.y.tolist()) == {9}


def test_threads_change_no_answer() -> None:
    world = SmallWorld.make()
    model = registry.make("expected_day", {"learn": "nothing"})
    history, queries = world.split.history, world.split.queries
    one, three = (model.predict(history, queries, world.context(threads=threads)) for threads in (1, 3))
    assert np.array_equal(one.x, three.x)
    assert np.array_equal(one.status, three.status)


def test_the_seed_alone_changes_the_days_that_are_drawn() -> None:
    world = SmallWorld.make()
    model = registry.make("expected_day", {"learn": "nothing", "decode": "sample"})
    history, queries = world.split.history, world.split.queries
    first, again, other = (model.predict(history, queries, world.context(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
