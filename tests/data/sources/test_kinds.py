"""Kinds of synthetic cities: an option that leaves the other cities alone, and figures beside their counterparts."""

from __future__ import annotations

from functools import cache

import pytest

from bench.data.describe import moves, people, real_cities
from bench.data.sources import open_source
from bench.data.sources.synthetic import Synthetic
from bench.data.sources.synthetic.habits import Habits
from bench.data.sources.synthetic.kinds import kind, kinds
from bench.errors import UserError

KINDS = {"A": "transit", "C": "car", "D": "town"}
# of 20 users and 75 days, seed 1: records name a city by seed and size, so no change of the code may change one
BUILT_IN = {"A": "03d7e30271c78e2c", "B": "fd97089e1b140f8a", "C": "1b8204ca77fdb770", "D": "03d1f25a57a19a72"}


@cache
def made(name: str) -> tuple[dict[str, float], dict[str, float]]:
    """Medians over people, and shares of moves, of one kind."""
    source = Synthetic(seed=1, users=150, kinds={"B": name})
    table = source.load("B")
    return {str(k): float(v) for k, v in people(table, source.world("B").grid).median().items()}, moves(
        table, source.world("B").grid
    )


def real(name: str) -> tuple[dict[str, float], dict[str, float]]:
    figures = real_cities()[kind(name).beside]
    return {k: v[1] for k, v in figures.people.items()}, dict(figures.moves)


def test_the_built_in_cities_are_those_that_records_were_made_of() -> None:
    source = Synthetic(seed=1, users=20)
    assert {city: source.load(city).fingerprint()[:16] for city in source.cities()} == BUILT_IN
    assert source.spec == "synthetic(seed=1,users=20,days=75)"


def test_a_kind_changes_its_city_alone() -> None:
    plain, mixed = Synthetic(seed=1, users=20), Synthetic(seed=1, users=20, kinds=KINDS)
    assert mixed.spec == "synthetic(seed=1,users=20,days=75,A=transit,C=car,D=town)"
    for city in mixed.cities():
        same = mixed.load(city).fingerprint() == plain.load(city).fingerprint()
        assert same == (city not in KINDS)


@pytest.mark.parametrize("name", kinds())
def test_a_kind_says_what_it_follows_and_names_habits_that_there_are(name: str) -> None:
    found = kind(name)
    assert set(found.city.habits) <= set(Habits._fields)
    assert "by hand" in found.about
    assert "seed 7" in found.about  # the figures that were in sight are of people whom no protocol asks
    table = Synthetic(seed=1, users=30, kinds={"B": name}).load("B")
    assert len(table.users) == 30
    assert 1 <= min(table.x.min(), table.y.min()) <= max(table.x.max(), table.y.max()) <= 200


@pytest.mark.parametrize("figure", ["distinct cells", "top cell's share", "points a day"])
def test_kinds_stand_in_the_order_of_their_counterparts(figure: str) -> None:
    """The taxis' city has the most cells and points, the town's people are most often in one place."""
    ours = sorted(kinds(), key=lambda name: made(name)[0][figure])
    assert ours == sorted(kinds(), key=lambda name: real(name)[0][figure])


@pytest.mark.parametrize("figure", ["in a run", ">= 5 km"])
def test_moves_of_the_car_city_are_the_extreme_ones_as_the_taxis_are(figure: str) -> None:
    assert max(kinds(), key=lambda name: made(name)[1][figure]) == "car"
    assert max(kinds(), key=lambda name: real(name)[1][figure]) == "car"


@pytest.mark.parametrize("name", ["car", "transit"])
def test_what_a_kind_follows_is_near_its_counterpart(name: str) -> None:
    """Radius of gyration within a third; the top cell's share and runs within a twentieth of all points."""
    (people_here, moves_here), (people_there, moves_there) = made(name), real(name)
    assert people_here["radius of gyration"] == pytest.approx(people_there["radius of gyration"], rel=0.34)
    assert people_here["top cell's share"] == pytest.approx(people_there["top cell's share"], abs=0.05)
    assert moves_here["in a run"] == pytest.approx(moves_there["in a run"], abs=0.05)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"B": "harbour"}, "kind 'harbour' is not known; known: car, town, transit"),
        ({"B": 3}, "kind '3' is not known"),
        ({"E": "car"}, "kinds names city 'E', which is not there"),
        (["car"], "kinds = .*; give a kind for each city that has one"),
    ],
)
def test_wrong_kinds_are_told_in_one_line(given: object, told: str) -> None:
    with pytest.raises(UserError, match=f"^synthetic source: {told}") as error:
        open_source("synthetic", seed=0, options={"kinds": given})
    assert "\n" not in str(error.value)
