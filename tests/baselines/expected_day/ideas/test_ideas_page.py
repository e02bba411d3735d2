"""The page has a row an idea, and says where there are no points of interest."""

from __future__ import annotations

import pytest

from baselines.expected_day.ideas.__main__ import NO_POI, WINDOW, ideas, page
from baselines.expected_day.ideas.trial import Trial
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.poi import Poi
from bench.data.world import Grid

TABLE = people("R", range(4), 60)


def test_points_of_interest_are_asked_where_there_are_some() -> None:
    trial = Trial.of_histories(TABLE, Context(window=WINDOW))
    one = [1]
    tables = {"R": Poi.build(Grid(), *([one] * 4))}
    assert set(ideas(trial, tables)) - set(ideas(trial, {})) == {"points of interest"}
    assert "as it is" in ideas(trial, {})


@pytest.mark.slow
def test_every_idea_has_a_row() -> None:
    found = page(TABLE, {}, seeds=2)
    assert NO_POI in found
    assert all(f"| {name} " in found for name in ("as it is", "stacked: lp_bert", "one window with a break"))
