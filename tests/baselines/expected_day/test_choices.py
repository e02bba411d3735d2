"""Candidates and their columns: votes as defined, finite for any history, no truth in them."""

from __future__ import annotations

import numpy as np
import pytest
from plain_logit import gap_classes, votes

from baselines.expected_day.choices import CROSSED, KINDS, LEVELS, LOGS, UNARY, VOTES, Choices, _all_votes
from baselines.statistics._kernel import gap_class
from baselines.statistics._votes import Places
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld, person
from bench.data.world import Calendar, Grid, Window


@pytest.mark.parametrize("uid", [0, 5])
def test_votes_are_those_of_the_definition(uid: int) -> None:
    rows, ctx = person("R", uid, 24), SmallWorld.make().context()
    history, queries = rows.days(0, 20).take(slice(None, None, 3)), rows.days(21, 23).queries()
    places = Places.of(history)
    found = _all_votes(history, queries, places, ctx)
    assert found.shape == (len(queries), len(places), KINDS)
    expected = votes(history, queries, places.row, ctx.calendar)
    assert np.allclose(found, expected, rtol=1e-9, atol=0)


def test_gaps_are_counted_in_half_hours_whatever_the_slots() -> None:
    rows = person("R", 1, 10)
    assert np.array_equal(gap_class(rows, 48, Calendar()), gap_classes(rows))
    fine = type(rows)(rows.cities, rows.city, rows.uid, rows.d, rows.t * 3, rows.x, rows.y)
    assert np.array_equal(gap_class(fine, 144, Calendar()), gap_classes(rows))


def test_columns_are_named_and_finite_and_the_best_voted_leads() -> None:
    world = SmallWorld.make()
    for user in world.split.history.users:
        history, queries = world.split.history.of(user), world.split.queries.of(user)
        found = Choices.of(history, queries, 5, world.context())
        assert found.columns.shape == (len(UNARY), len(queries), min(5, len(found.places)))
        assert np.isfinite(found.columns).all()
        best = found.columns[UNARY.index("near_0")]
        assert (np.diff(best, axis=1) <= 1e-5).all()
    assert len(set(UNARY)) == len(UNARY) == len(LOGS) + len(LEVELS) + len(CROSSED) == 59
    assert len(VOTES) == 10


def test_a_history_of_one_point_has_one_candidate() -> None:
    rows = person("R", 1, 24)
    found = Choices.of(rows.take(slice(0, 1)), rows.days(21, 23).queries(), 30, Context())
    assert found.index.shape[1] == 1
    assert np.isfinite(found.columns).all()


@pytest.mark.parametrize("slots", [1, 24, 144])
def test_any_number_of_slots_will_do(slots: int) -> None:
    grid = Grid(width=30, height=20, slots=slots)
    rows = person("R", 1, 24, grid)
    ctx = Context(grid=grid, window=Window((0, 20), (21, 23)))
    found = Choices.of(rows.days(0, 20), rows.days(21, 23).queries(), 30, ctx)
    assert np.isfinite(found.columns).all()
