"""Off-days are found in what training users do, and only a model that looks for them has to be fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.files.csvfiles import read_points
from bench.data.learned_calendar import learned_calendar
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar


@pytest.fixture(scope="module")
def town() -> Trajectories:
    """Forty people who work on all days but d % 7 in {0, 6}."""
    return people("Q", range(40), 35)


def test_weekends_are_found_and_go_on_after_the_last_training_day(town: Trajectories) -> None:
    found = learned_calendar(town, 48, Calendar(), 41)
    assert found.weekend == frozenset()
    assert sorted(found.holidays) == [day for day in range(42) if day % 7 in (0, 6)]


def test_a_holiday_is_found_on_its_own_day(town: Trajectories) -> None:
    """Day 9 becomes like a Sunday: what people did on day 14 is put in its place."""
    sunday = town.days(14, 14)
    columns = {name: getattr(sunday, name) for name in sunday.columns()}
    holiday = Trajectories.build(town.cities, **{**columns, "d": np.full(len(sunday), 9)})
    found = learned_calendar(Trajectories.concat([town.days(0, 8), holiday, town.days(10, 34)]), 48, Calendar(), 34)
    assert sorted(found.holidays) == sorted({9} | {day for day in range(35) if day % 7 in (0, 6)})


def test_where_all_days_are_alike_none_is_off(town: Trajectories) -> None:
    working = town.take(~np.isin(town.d % 7, (0, 6)))
    assert learned_calendar(working, 48, Calendar(), 34).holidays == frozenset()
    assert learned_calendar(Trajectories.empty(("Q",)), 48, Calendar(), 34).holidays == frozenset()


@pytest.mark.parametrize("name", ["offday_slot_mode", "kernel_vote"])
def test_only_who_looks_for_off_days_is_fitted(name: str) -> None:
    assert registry.make(name).learns_from == "nothing"
    assert registry.make(name, {"off_days": "data"}).learns_from == "train users"
    assert registry.get(name).learns_from == "nothing", "the class stays as it is"


@pytest.mark.parametrize("name", ["offday_slot_mode", "kernel_vote"])
def test_found_days_stand_in_for_a_calendar_that_is_not_known(name: str, town: Trajectories) -> None:
    asked = town.days(28, 34)
    blank = Context(calendar=Calendar(weekend=frozenset(), holidays=frozenset()))
    known = Context(calendar=Calendar(weekend=frozenset({0, 6}), holidays=frozenset()))
    finder = registry.make(name, {"off_days": "data"})
    finder.fit(town, None, blank)
    history, queries = town.days(0, 27), asked.queries()
    found = finder.predict(history, queries, blank)
    told = registry.make(name).predict(history, queries, known)
    assert np.array_equal(found.x, told.x)
    assert np.array_equal(found.y, told.y)


def test_the_off_days_of_real_people_are_those_of_the_calendar(humob100: Path) -> None:
    table = read_points(humob100 / "city_B.csv.gz", city="B").visible
    days = np.arange(75)
    assert sorted(learned_calendar(table, 48, Calendar(), 74).holidays) == days[Calendar().is_off(days)].tolist()
