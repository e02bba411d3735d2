"""Roles of users: one a user, by hash, by city or as listed; and the proof that nobody has two."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from town import Town, cut, people, towns, uids

from bench.protocol.schema import UsersSpec
from bench.running import splits
from bench.running.splits import RolesOverlap, Skip, hashes, prove_disjoint, roles


def test_roles_are_those_of_the_hash_whoever_else_is_there() -> None:
    spec = UsersSpec()
    few, many = (roles("B", np.arange(n), spec, tests=False) for n in (300, 3000))
    for role, expected in (("train", 0.7), ("validate", 0.1), ("test", 0.2)):
        assert set(few[role]) == {uid for uid in many[role] if uid < 300}
        assert abs(len(many[role]) / 3000 - expected) < 0.03
    other = roles("C", np.arange(3000), spec, tests=False)
    assert set(other["test"]) != set(many["test"])


def test_hashes_are_frozen() -> None:
    assert hashes("B", np.array([0, 17600])).tolist() == [0.4832044263149431, 0.9645428550102224]
    assert roles("B", np.arange(30), UsersSpec(), tests=True)["test"].tolist() == [23, 18, 14, 3, 29, 8, 13]


def test_fewer_users_are_among_more() -> None:
    source = towns(B=300, C=300)
    sizes = (3, 10, 40)
    made = [cut(source, {"train": n, "validate": n // 3, "test": n}) for n in sizes]
    for small, large in pairwise(made):
        assert uids(small.split.train) < uids(large.split.train)
        assert uids(small.truth) < uids(large.truth)
        assert uids(small.split.validate) < uids(large.split.validate)


selections = st.one_of(st.just("all"), st.integers(1, 30))


listed = st.sets(st.integers(0, 60), min_size=1, max_size=8).map(lambda s: {"uids": sorted(s)})


@st.composite
def users(draw: st.DrawFn) -> dict[str, Any]:
    """Any choice of users that the schema allows, most of the time."""
    return {
        "train": draw(selections | listed | st.integers(1, 30).map(lambda n: {"total": n})),
        "validate": draw(st.integers(0, 5) | st.just("all") | listed),
        "test": draw(selections | listed | st.integers(1, 70).map(lambda n: {"last": n})),
        "roles": draw(st.sampled_from(["hash", "city"])),
    }


@settings(max_examples=150, deadline=None)
@given(
    users(),
    st.sets(st.integers(0, 60), min_size=1),
    st.sets(st.integers(0, 60), min_size=1),
    st.sets(st.integers(0, 60), max_size=10),
    st.sampled_from([("B",), ("C",), ("B", "C")]),
    st.dictionaries(st.sampled_from(["B", "C"]), st.floats(0.05, 1), max_size=2),
)
def test_nobody_has_two_roles(
    chosen: dict[str, Any],
    in_b: set[int],
    in_c: set[int],
    official: set[int],
    train: tuple[str, ...],
    shares: dict[str, float],
) -> None:
    if chosen["roles"] == "city":
        train = ("B",)
    source = Town({"B": people("B", in_b), "C": people("C", in_c)}, targets={"C": tuple(official)})
    try:
        made = cut(source, chosen, train=train, days=(0, 5), shares={c: s for c, s in shares.items() if c in train})
    except (Skip, ValueError):
        return
    trained, tuned, asked = (set(t.users) if t else set() for t in (made.split.train, made.split.validate, made.truth))
    assert trained
    assert asked
    assert not trained & tuned
    assert not trained & asked
    assert not tuned & asked
    assert not {("C", uid) for uid in official} & (trained | tuned)
    assert {city for city, _ in trained} <= set(train)
    assert made.users == {"train": len(trained), "validate": len(tuned), "test": len(asked)}
    if chosen["roles"] == "hash" and all(isinstance(chosen[role], int | str) for role in ("train", "validate", "test")):
        for (city, uid), low, high in (
            *((user, 0.3, 1.0) for user in trained),
            *((user, 0.2, 0.3) for user in tuned),
            *((user, 0.0, 0.2) for user in asked),
        ):
            assert low <= hashes(city, np.array([uid]))[0] < high


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"train": [1, 2], "truth": [2]}, "user 2 of city B trains and is tested"),
        ({"validate": [5], "truth": [5]}, "user 5 of city B validates and is tested"),
        ({"train": [3], "validate": [3]}, "user 3 of city B trains and validates"),
        ({"history": [4], "truth": [2]}, "user 4 of city B has a history but is not asked"),
    ],
)
def test_the_proof_finds_every_overlap(parts: dict[str, list[int]], words: str) -> None:
    tables = [people("B", parts.get(name, [])) for name in ("train", "validate", "history", "truth")]
    with pytest.raises(RolesOverlap, match=words):
        prove_disjoint(*tables)


def test_the_same_uid_in_two_cities_is_two_people() -> None:
    prove_disjoint(people("B", [1]), people("B", [2]), people("C", [1]), people("C", [1]))


def test_a_broken_assignment_of_roles_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "roles", lambda city, uids, *a, **k: dict.fromkeys(splits.ROLES, np.unique(uids)))
    with pytest.raises(RolesOverlap):
        cut(towns(B=20), {"train": "all", "test": "all"}, test="B")


def test_official_targets_never_train_or_tune_and_the_last_are_the_test() -> None:
    source = Town({"B": people("B", range(100)), "C": people("C", range(100))}, targets={"B": tuple(range(80, 100))})
    made = cut(source, {"train": "all", "validate": "all", "test": {"last": 20}}, train=("B", "C"), test="B")
    assert uids(made.truth) == set(range(80, 100))
    assert (uids(made.split.train, "B") | uids(made.split.validate, "B")) == set(range(80))
    # Without official targets the last of a city are set aside all the same, in every split that tests so.
    assert not (uids(made.split.train, "C") | uids(made.split.validate, "C")) & set(range(80, 100))
    fewer = cut(source, {"train": "all", "validate": "all", "test": {"last": 5}}, test="B")
    assert uids(fewer.truth) == set(range(95, 100))
    assert not (uids(fewer.split.train) | uids(fewer.split.validate)) & set(range(80, 100))


def test_listed_users_by_city() -> None:
    made = cut(
        towns(A=50, B=50, C=50),
        {"train": {"uids": {"A": "0-9", "B": "0-4, 7"}}, "test": {"uids": {"C": "20-29"}}},
        train=("A", "B"),
    )
    assert uids(made.split.train, "A") == set(range(10))
    assert uids(made.split.train, "B") == {0, 1, 2, 3, 4, 7}
    assert uids(made.truth) == set(range(20, 30))


def test_roles_by_city_use_everyone() -> None:
    made = cut(towns(B=60, C=40), {"validate": "all", "roles": "city"})
    assert uids(made.truth) == set(range(40))
    assert uids(made.split.train) | uids(made.split.validate) == set(range(60))
    tuned = {uid for uid, h in enumerate(hashes("B", np.arange(60))) if 0.2 <= h < 0.3}
    assert uids(made.split.validate) == tuned


def test_a_study_asks_validation_users_who_neither_tune_nor_are_tested() -> None:
    source, users = towns(B=300, C=300), {"train": 30, "validate": 6, "test": 20}
    tested = {city: uids(cut(source, users, test=city).truth) for city in "BC"}
    asked: dict[str, set[int]] = {}
    for train in (("B",), ("C",), ("B", "C")):
        for city in "BC":
            made = cut(source, users, train=train, test=city, asked=9)
            assert made.users["test"] == 9
            assert "validation users are asked, no test users" in made.notes
            assert asked.setdefault(city, uids(made.truth)) == uids(made.truth)
            assert not uids(made.truth) & tested[city]
            assert not uids(made.truth) & (uids(made.split.train, city) | uids(made.split.validate, city))


def test_a_study_needs_validation_users_who_are_left() -> None:
    with pytest.raises(Skip, match="no validation user of C is left"):
        cut(towns(B=60, C=60), {"train": 9, "validate": "all", "test": 3}, asked=5)


def test_who_tunes_without_points_to_predict_is_still_not_asked() -> None:
    everyone = people("B", range(400))
    who = roles("B", np.arange(400), UsersSpec.model_validate({"validate": 3}), tests=True)["validate"]
    late = everyone.take(~((everyone.uid == who[0]) & (everyone.d < 4)))  # the first would be asked, and cannot tune
    made = cut(Town({"B": late}), {"train": 20, "validate": 3, "test": 5}, train=("B",), test="B", asked=50)
    assert uids(made.split.validate) == set(who[1:4].tolist())
    assert uids(made.truth) == {int(who[0]), *who[4:].tolist()}


@given(
    st.sets(st.integers(0, 400), min_size=1),
    st.integers(2, 50),
    st.sampled_from([{}, {"test": {"last": 5}}, {"train": {"uids": "0-90"}}, {"roles": "city"}]),
    st.booleans(),
)
def test_windows_of_one_user_have_one_role(some: set[int], several: int, users: dict[str, Any], tests: bool) -> None:
    wanted = UsersSpec.model_validate(users)
    found = roles("B", np.array(sorted(some)), wanted, tests=tests, uids_a_user=several)
    owners = [set((chosen // several).tolist()) for chosen in found.values()]
    assert not any(one & other for one, other in pairwise([*owners, owners[0]]))
