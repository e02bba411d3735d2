"""Parts of expected_day can be left out of a fit; the protocols that do so are whole."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.expected_day.choices import UNARY
from baselines.expected_day.weights import PARTS, TRANSITIONS, rows_of
from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.world import Window

ALL = (*UNARY, *TRANSITIONS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_left_out_has_no_weight(part: str) -> None:
    ctx = Context(window=Window((0, 20), (21, 23)))
    model = registry.make("expected_day", {"points": 400, "without": [part]})
    model.fit(people("Q", range(4), 24), None, ctx)
    joint = np.concatenate([model.weights.joint, model.weights.transitions])
    rows = rows_of([part])
    assert not joint[rows].any()
    assert {ALL[row] for row in rows} == set(PARTS[part])
    assert np.count_nonzero(joint) > 40


@pytest.mark.parametrize(
    ("settings", "learns"),
    [
        ({}, "train users"),
        ({"learn": "test histories"}, "test histories"),
        ({"learn": "nothing"}, "nothing"),
        ({"learn": "nothing", "off_days": "data"}, "train users"),
        ({"learn": "test histories", "off_days": "data"}, "test histories"),
    ],
)
def test_what_it_learns_from_follows_the_settings(settings: dict[str, str], learns: str) -> None:
    assert registry.make("expected_day", settings).learns_from == learns
