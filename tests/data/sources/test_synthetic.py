"""The synthetic source: the same people for the same seed, different cities, a calendar, and nobody off the map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.sources import open_source
from bench.data.sources.synthetic import CITIES, Synthetic
from bench.data.sources.synthetic.randomness import uniforms
from bench.data.trajectories import Trajectories
from bench.data.world import Grid
from bench.errors import UserError


def rows(table: Trajectories, users: int) -> list[np.ndarray]:
    kept = table.uid < users
    return [getattr(table, name)[kept] for name in ("uid", "d", "t", "x", "y")]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(a, b, strict=True))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**40), city=st.sampled_from(sorted(CITIES)), few=st.integers(1, 20))
def test_fewer_users_are_a_prefix_and_a_seed_gives_the_same_city(seed: int, city: str, few: int) -> None:
    some = Synthetic(seed=seed, users=few).load(city)
    more = Synthetic(seed=seed, users=few + 7).load(city)
    assert same(rows(some, few), rows(more, few))


def test_users_do_not_depend_on_how_many_are_simulated_at_a_time() -> None:
    many = Synthetic(seed=3, users=405).load("B")
    assert same(rows(Synthetic(seed=3, users=201).load("B"), 201), rows(many, 201))
    assert many.users[-1] == ("B", 404)


@pytest.mark.parametrize("city", sorted(CITIES))
def test_everyone_is_on_the_grid_and_in_the_days(city: str) -> None:
    table = Synthetic(seed=1, users=50).load(city)
    assert table.cities == (city,)
    assert len(table.users) == 50
    for column, least, most in ((table.x, 1, 200), (table.y, 1, 200), (table.d, 0, 74), (table.t, 0, 47)):
        assert least <= column.min()
        assert column.max() <= most


def test_cities_and_seeds_differ() -> None:
    fingerprints = {
        np.concatenate(rows(Synthetic(seed=seed, users=20).load(city), 20)).tobytes()
        for seed in (0, 1, 1000)
        for city in CITIES
    }
    assert len(fingerprints) == 12


def test_fewer_days_are_the_first_days() -> None:
    long, short = Synthetic(seed=5, users=20).load("C"), Synthetic(seed=5, users=20, days=30).load("C")
    assert short.d.max() == 29
    assert same(rows(long.days(0, 29), 20), rows(short, 20))


def test_off_days_are_not_like_working_days() -> None:
    """On working days people go to work in the morning; on weekends and holidays they start later."""
    source = Synthetic(seed=1, users=300)
    table = source.load("B")
    off = source.world("B").calendar.is_off(table.d)
    holiday = np.isin(table.d, (1, 8, 29, 37, 50))
    early, midday = (table.t >= 13) & (table.t < 17), (table.t >= 22) & (table.t < 30)

    def morning(days: np.ndarray) -> float:
        return float((days & early).sum() / (days & midday).sum())

    assert morning(off) < 0.9 * morning(~off)
    assert morning(holiday) < 0.9 * morning(~off)


def test_numbers_are_the_same_on_every_machine() -> None:
    """SplitMix64 of the published algorithm in Python's integers, and whole-number tables."""
    mask = 2**64 - 1

    def scramble(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    golden = 0x9E3779B97F4A7C15
    z = scramble(7 + golden & mask)
    z = scramble(z ^ (66 * 0xBF58476D1CE4E5B9 + golden & mask))
    state = scramble(z ^ golden)
    expected = [(scramble(state + (i + 1) * golden & mask) >> 11) / 2**53 for i in range(5)]
    assert uniforms(7, 66, 5).tolist() == expected


@pytest.mark.parametrize(("option", "value"), [("users", 0), ("users", 2.5), ("seed", -1), ("days", True)])
def test_wrong_options_are_told_in_one_line(option: str, value: object) -> None:
    with pytest.raises(UserError, match=f"^synthetic source: {option} = .*; give a whole number"):
        open_source(
            "synthetic", options={option: value} if option != "seed" else None, seed=value if option == "seed" else 0
        )  # type: ignore[arg-type]


def test_an_unknown_city_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="city 'E' is not in the synthetic source; known: A, B, C, D"):
        Synthetic().load("E")


def test_a_source_is_found_by_the_name_that_records_have() -> None:
    for source in (Synthetic(seed=5, users=6), Synthetic(seed=1, users=600, days=70, kinds={"C": "car", "D": "town"})):
        again = Synthetic.named(source.spec)
        assert again is not None
        assert (again.spec, again.kinds) == (source.spec, source.kinds)
    small = Synthetic(seed=1, users=5, days=3, width=40, height=50)
    assert getattr(Synthetic.named(small.spec), "spec", None) == small.spec
    others = [Synthetic(variants={"B-1km": {"of": "B", "cell_km": 1.0}}).spec, Synthetic(cell_km=0.25).spec]
    for other in (
        *others,
        "humob:plain",
        "synthetic seed 1",
        "synthetic(seed=1,users=2,days=3,E=car)",
        "synthetic(seed=01)",
    ):
        assert Synthetic.named(other) is None


def test_a_variant_is_the_same_people_on_other_cells() -> None:
    """Each fix of the fine cells lies in the coarse cell that holds it; longer slots keep one of their fixes."""
    variants = {"B-250m": {"of": "B", "cell_km": 0.25}, "B-1km": {"of": "B", "cell_km": 1.0}}
    variants |= {"B-60min": {"of": "B", "slots_per_day": 24}, "B-15min": {"of": "B", "slots_per_day": 96}}
    source = Synthetic(seed=3, users=30, days=10, variants=variants)
    usual, fine, coarse = (source.load(city) for city in ("B", "B-250m", "B-1km"))
    assert source.world("B-250m").grid == Grid(400, 400, 0.25, 48)
    assert np.array_equal(usual.t, fine.t)
    for name in "xy":
        assert np.array_equal((getattr(fine, name) - 1) // 2, getattr(usual, name) - 1)
        assert np.array_equal((getattr(usual, name) - 1) // 2, getattr(coarse, name) - 1)
    hours, quarters = source.load("B-60min"), source.load("B-15min")
    assert hours.cities == ("B-60min",)
    assert hours.t.max() <= 23
    assert 24 <= quarters.t.max() <= 95
    assert len(hours) == len(np.unique(usual.uid.astype(np.int64) * 10_000 + usual.d * 100 + usual.t // 2))
    assert 0.6 < len(quarters) / len(usual) < 1.6, "about as many points a day"


def test_one_grid_may_hold_for_all_cities() -> None:
    source = Synthetic(seed=3, users=20, days=5, width=37, height=61, cell_km=1.0, slots_per_day=24)
    table = source.load("C")
    assert source.world("A").grid == Grid(37, 61, 1.0, 24)
    assert (table.x.max(), table.y.max(), table.t.max()) <= (37, 61, 23)
    assert len(np.unique(table.x)) > 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slots": 24}, "slots: Extra inputs"),
        ({"slots_per_day": 7}, "whole minutes"),
        ({"variants": {"B": {"of": "B"}}}, "the name is taken"),
        ({"variants": {"X": {"of": "Z"}}}, "'Z' is no city"),
        ({"variants": {"X": {"of": "B", "cell": 1}}}, "variants.X: cell"),
        ({"variants": ["X"]}, "a mapping"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Synthetic(**options)  # type: ignore[arg-type]
