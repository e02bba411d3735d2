"""Other samples change the drawn days as they say, and nothing where they have no share."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.expected_day.ideas.samples import another_seed, day_types, flows
from baselines.expected_day.ideas.table import mean, row, table
from baselines.expected_day.ideas.trial import Trial
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.world import Grid, Window


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial.of_histories(people("R", range(4), 60, Grid()), Context(window=Window((0, 44), (45, 59))))


def test_flows_lead_to_cells_where_the_user_never_was(trial: Trial) -> None:
    for before, after in zip(trial.drawn, flows(trial, 0.5), strict=True):
        known = set(zip(before.x.tolist(), before.y.tolist(), strict=True))
        new = after.days >= len(before.x)
        assert np.array_equal(after.days[~new], before.days[~new])
        cells = zip(after.x[after.days[new]].tolist(), after.y[after.days[new]].tolist(), strict=True)
        assert known.isdisjoint(cells)


def test_a_share_of_the_samples_has_the_other_type_of_day(trial: Trial) -> None:
    for before, after in zip(trial.drawn, day_types(trial, 0.25), strict=True):
        assert np.array_equal(after.days[16:], before.days[16:])
        assert not np.array_equal(after.days[:16], before.days[:16])


def test_a_mean_over_seeds_is_of_each_user(trial: Trial) -> None:
    one, other = trial.scores(trial.drawn), trial.scores(another_seed(trial))
    found = mean([one, other])
    name = "geobleu@humob24"
    assert not one[name].equals(other[name])
    assert found[name].to_numpy() == pytest.approx((one[name].to_numpy() + other[name].to_numpy()) / 2)
    assert found["uid"].equals(one["uid"])


def test_an_idea_that_changes_nothing_has_no_gain(trial: Trial) -> None:
    base = trial.scores(trial.drawn)
    cells = row("none", trial.scores(flows(trial, 0.0)), base)
    assert cells[2] == "+0.0000 [+0.0000, +0.0000]"
    assert "| none " in table([cells])
