"""Grid and calendar: what they say of days, and how people write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.data.world import WEEKDAYS, Calendar, Grid, World
from bench.data.worldfile import CalendarSpec, GridSpec, WorldSpec

DAYS = st.integers(0, 400)
BREAKS = st.lists(st.tuples(DAYS, st.integers(1, 300)), max_size=3, unique_by=lambda pause: pause[0]).map(sorted)
WORLDS = st.builds(
    World,
    st.builds(Grid, st.integers(1, 998), st.integers(1, 998), st.sampled_from((0.25, 0.5, 2.0)), st.just(96)),
    st.builds(
        Calendar,
        st.frozensets(st.integers(0, 6)),
        st.frozensets(DAYS),
        st.integers(0, 6),
        BREAKS.map(tuple),
    ),
)


def test_without_breaks_weekdays_are_the_residues_that_humob_has() -> None:
    days = np.arange(100)
    assert np.array_equal(Calendar().weekday(days), days % 7)
    assert np.array_equal(Calendar().elapsed(days), days)


def test_a_break_moves_weekdays_and_dates() -> None:
    calendar = CalendarSpec.model_validate({"breaks": [{"after": 59, "days": 89}]}).calendar()
    assert calendar.elapsed([0, 59, 60, 74]).tolist() == [0, 59, 149, 163]
    assert calendar.weekday([59, 60]).tolist() == [59 % 7, (60 + 5) % 7]
    assert calendar.is_off([60 + day for day in range(7)]).sum() == 2


def test_weekdays_are_said_by_name() -> None:
    spec = CalendarSpec(first_weekday="thursday", weekend=("friday", "saturday"), off_days=(3,))
    off = spec.calendar().is_off(range(7))
    assert np.flatnonzero(off).tolist() == [1, 2, 3]
    assert WEEKDAYS[int(spec.calendar().weekday([0])[0])] == "thursday"


@given(WORLDS)
def test_a_world_survives_its_file_and_a_job(world: World) -> None:
    assert WorldSpec.of(world).world() == world
    assert WorldSpec.model_validate(WorldSpec.of(world).model_dump(mode="json")).world() == world
    assert World.of_plain(world.plain()) == world


@given(WORLDS, st.lists(DAYS, min_size=2))
def test_time_goes_forward(world: World, days: list[int]) -> None:
    days = sorted(days)
    assert np.all(np.diff(world.calendar.elapsed(days)) >= np.diff(days))


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"slots_per_day": 7}, "whole minutes"),
        ({"width": 0}, "greater than or equal to 1"),
        ({"cell_km": 0}, "greater than 0"),
        ({"slots": 48}, "Extra inputs"),
    ],
)
def test_a_wrong_grid_is_refused(given_: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        GridSpec.model_validate(given_)


def test_breaks_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="in order"):
        CalendarSpec.model_validate({"breaks": [{"after": 9, "days": 1}, {"after": 3, "days": 1}]})
