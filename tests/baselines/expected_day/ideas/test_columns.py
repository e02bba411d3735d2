"""Further columns get weights as the others do, and come from models that have not seen what they are asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baselines.expected_day.choices import FLOOR, Choices
from baselines.expected_day.ideas import columns
from baselines.expected_day.ideas.columns import with_columns
from baselines.expected_day.ideas.trial import Trial
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.poi import Poi
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid, Window

CTX = Context(window=Window((0, 20), (21, 27)))
TABLE = people("R", range(4), 28)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial.of_histories(TABLE, CTX)


def asked(trial: Trial, number: int) -> tuple[Trajectories, Queries, Choices, Context]:
    one = trial.drawn[number]
    return one.history, one.queries, Choices.of(one.history, one.queries, 6, CTX), CTX


def test_a_column_that_never_varies_gets_no_weight(trial: Trial) -> None:
    def constant(history: Trajectories, queries: Queries, found: Choices, ctx: Context) -> np.ndarray:
        return np.ones((1, *found.index.shape), np.float32)

    model = columns.Wider(trial.model.settings, constant)
    model.fit(trial.history, None, CTX)
    assert (model.weights.alone[-1], model.weights.joint[-1]) == (0, 0)
    assert len(model.weights.alone) == len(trial.model.weights.alone) + 1
    assert model.weights.alone[:-1] == pytest.approx(trial.model.weights.alone, abs=0.05)


def test_a_column_that_knows_the_truth_is_followed(trial: Trial) -> None:
    def truth(history: Trajectories, queries: Queries, found: Choices, ctx: Context) -> np.ndarray:
        rows = TABLE.of(queries.users[0])
        rows = rows.take(np.isin(rows.d.astype(int) * 48 + rows.t, queries.d.astype(int) * 48 + queries.t))
        x, y = found.places.at(found.index)
        return ((x == rows.x[:, None]) & (y == rows.y[:, None])).astype(np.float32)[None]

    before, after = (
        trial.scores(drawn)["geobleu@humob24"].mean() for drawn in (trial.drawn, with_columns(trial, truth))
    )
    assert after > before + 0.1


def test_stacked_trees_were_fitted_to_other_people(trial: Trial) -> None:
    own = TABLE.uid == TABLE.users[0][1]
    other = Trial.of_histories(replace(TABLE, x=np.where(own, TABLE.x[::-1], TABLE.x)), CTX)
    before, after = columns.boosting(trial), columns.boosting(other)
    for number, same in ((0, True), (2, True), (1, False), (3, False)):
        rows = asked(trial, number)
        assert np.array_equal(before(*rows), after(*rows)) == same


def test_stacked_shares_of_lp_bert_sum_to_one(trial: Trial) -> None:
    rows = asked(trial, 0)
    found = columns.lp_bert(trial)(*rows)
    assert found.shape == (1, *rows[2].index.shape)
    assert (np.exp(found[0]) - FLOOR).sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert found.std() > 0.5


def test_points_of_interest_are_those_of_the_candidates(trial: Trial) -> None:
    history, queries, found, ctx = asked(trial, 0)
    x, y = found.places.at(found.index[:1, :1])
    table = Poi.build(Grid(), x[0], y[0], np.array([3]), np.array([7]))
    counted = columns.poi(trial, {"R": table})(history, queries, found, ctx)
    assert counted.shape == (3, *found.index.shape)
    there = found.index == found.index[0, 0]
    assert counted[0][there] == pytest.approx(np.log(8))
    assert not counted[0][~there].any()
