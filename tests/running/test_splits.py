"""Splits: one role a user, the truth apart, and every shortage said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.sources import Source
from bench.data.sources.humob import Humob
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window, World
from bench.protocol.schema import DataSpec, Protocol, SplitSpec, TrainSpec, UsersSpec
from bench.running import splits
from bench.running.splits import Prepared, RolesOverlap, Skip, hashes, make_split, prove_disjoint, roles

WINDOW = Window((0, 3), (4, 5))
DAYS = 6


def people(city: str, uids: Iterable[int], days: Iterable[int] = range(DAYS)) -> Trajectories:
    """Two points a day for each user, in cells that tell uid and day."""
    rows = np.array([(uid, d, t) for uid in uids for d in days for t in (10, 20)], dtype=np.int64).reshape(-1, 3)
    uid, d, t = rows.T
    return Trajectories.build((city,), city=np.zeros(len(rows)), uid=uid, d=d, t=t, x=uid % 200 + 1, y=d + 1)


class Town(Source):
    """A source from tables in memory."""

    name: ClassVar[str] = "town"
    synthetic: ClassVar[bool] = True
    uids_a_user = 1

    def __init__(
        self,
        tables: Mapping[str, Trajectories],
        targets: Mapping[str, tuple[int, ...]] | None = None,
        masked: Mapping[str, Queries] | None = None,
    ) -> None:
        self.tables, self.official, self.hidden = tables, targets or {}, masked or {}

    @property
    def spec(self) -> str:
        return "town"

    def world(self, city: str) -> World:
        return World(uids_a_user=self.uids_a_user)

    def cities(self) -> tuple[str, ...]:
        return tuple(self.tables)

    def load(self, city: str) -> Trajectories:
        return self.tables[city]

    def masked(self, city: str) -> Queries:
        return self.hidden.get(city, Queries.empty((city,)))

    def targets(self, city: str) -> tuple[int, ...]:
        return self.official.get(city, ())


def towns(**sizes: int) -> Town:
    return Town({city: people(city, range(n)) for city, n in sizes.items()})


def cut(
    source: Source,
    users: dict[str, Any],
    *,
    train: tuple[str, ...] = ("B",),
    test: str = "C",
    days: tuple[int, int] = (0, 3),
    shares: dict[str, float] | None = None,
    window: Window = WINDOW,
    asked: int | None = None,
) -> Prepared:
    """Make one split without a protocol file."""
    spec = SplitSpec(
        train=TrainSpec(cities=train, days=days, shares=shares or {}),
        test=(test,),
        users=UsersSpec.model_validate(users),
        window=window,
        asked=asked,
    )
    return make_split(Protocol.model_construct(data=DataSpec.model_construct()), spec, test, source)


def uids(table: Trajectories | None, city: str | None = None) -> set[int]:
    return {uid for name, uid in table.users if city in (None, name)} if table is not None else set()


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


def test_windows_of_test_users_are_said_and_never_train() -> None:
    source = towns(B=300, C=60)
    source.uids_a_user = 10
    made = cut(source, {"train": 300, "validate": 0, "test": 40}, train=("B", "C"))
    asked = {uid // 10 for uid in uids(made.truth)}
    assert asked
    assert not asked & {uid // 10 for uid in uids(made.split.train, "C")}
    said = [note for note in made.notes if "are windows of" in note]
    assert said == [f"the {len(uids(made.truth))} test users of C are windows of {len(asked)}, who are resampled"]


def test_a_split_holds_what_it_should_and_no_truth() -> None:
    made = cut(towns(B=200, C=100), {"train": 30, "validate": 5, "test": 8})
    split = made.split
    assert made.users == {"train": 30, "validate": 5, "test": 8}
    assert made.notes == ()
    assert (split.train_cities, split.test_city, split.window) == (("B",), "C", WINDOW)
    assert split.train.cities == ("B",)
    assert (split.train.d.min(), split.train.d.max()) == (0, 3)
    assert (split.history.d.min(), split.history.d.max()) == (0, 3)
    assert (split.queries.d.min(), split.queries.d.max()) == (4, 5)
    assert split.history.users == split.queries.users == made.truth.users
    assert len(split.queries) == len(made.truth) == 8 * 2 * 2
    for name in Queries.columns():
        assert np.array_equal(getattr(split.queries, name), getattr(made.truth, name))
    for part in fields(split):
        table = getattr(split, part.name)
        if isinstance(table, Trajectories):
            asked = set(zip(made.truth.uid, made.truth.d, strict=True))
            assert table.cities == ("B",) or not asked & set(zip(table.uid, table.d, strict=True))


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
        ({"validate": [5], "truth": [5]}, "user 5 of city B tunes and is tested"),
        ({"train": [3], "validate": [3]}, "user 3 of city B trains and tunes"),
        ({"history": [4], "truth": [2]}, "user 4 of city B has a history and is not asked"),
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


def test_numbers_count_per_city_and_shares_cut_them() -> None:
    source = towns(A=400, B=400, C=100)
    both = cut(source, {"train": 40, "test": 5}, train=("A", "B"))
    assert [len(uids(both.split.train, city)) for city in "AB"] == [40, 40]
    shared = cut(source, {"train": 40, "test": 5}, train=("A", "B"), shares={"A": 0.25})
    assert [len(uids(shared.split.train, city)) for city in "AB"] == [10, 40]
    assert uids(shared.split.train, "A") < uids(both.split.train, "A")
    total = cut(source, {"train": {"total": 41}, "test": 5}, train=("A", "B"), shares={"A": 0.5})
    assert [len(uids(total.split.train, city)) for city in "AB"] == [14, 27]
    everyone = cut(source, {"train": "all", "test": 5}, train=("A", "B"))
    half = cut(source, {"train": "all", "test": 5}, train=("A", "B"), shares={"A": 0.5})
    assert len(uids(half.split.train, "A")) == round(len(uids(everyone.split.train, "A")) / 2)
    assert uids(half.split.train, "B") == uids(everyone.split.train, "B")


@given(st.integers(1, 500), st.lists(st.floats(0.01, 1), min_size=1, max_size=4))
def test_a_total_is_split_without_loss(total: int, shares: list[float]) -> None:
    cities = tuple("ABCD"[: len(shares)])
    spec = SplitSpec(
        train=TrainSpec(cities=cities, days=(0, 3), shares=dict(zip(cities, shares, strict=True))),
        test=("C",),
        users=UsersSpec.model_validate({"train": {"total": total}}),
        window=WINDOW,
    )
    quotas = splits._quotas(spec)
    assert sum(quotas.values()) == total
    for city, share in zip(cities, shares, strict=True):
        assert abs(quotas[city] - total * share / sum(shares)) < 1


def test_fewer_users_than_wanted_are_said() -> None:
    made = cut(towns(B=50, C=30), {"train": 1000, "validate": 99, "test": 77})
    counts = made.users
    assert made.notes == (
        f"wanted 1000 training users of B, the data have {counts['train']}: used {counts['train']}",
        f"wanted 99 validation users of B, the data have {counts['validate']}: used {counts['validate']}",
        f"wanted 77 test users of C, the data have {counts['test']}: used {counts['test']}",
    )
    last = cut(towns(B=50, C=30), {"test": {"last": 40}})
    assert last.notes == ("wanted 40 test users of C, the data have 30: used 30",)
    some = cut(towns(B=50, C=30), {"test": {"uids": "25-34"}})
    assert some.notes == ("wanted 10 test users of C, the data have 5: used 5",)


def test_no_validation_users_is_none() -> None:
    assert cut(towns(B=50, C=30), {"validate": 0}).split.validate is None


def test_training_on_dates_of_the_horizon_is_noted() -> None:
    made = cut(towns(B=50, C=30), {}, days=(0, 5))
    assert made.notes == ("training users are seen on dates of the horizon",)
    assert made.split.train.d.max() == 5


def test_users_without_points_to_predict_are_not_asked_and_do_not_count() -> None:
    everyone = range(60)
    silent = {uid for uid in everyone if uid % 2}
    table = Trajectories.concat([people("C", set(everyone) - silent), people("C", silent, days=range(4))])
    made = cut(Town({"B": people("B", everyone), "C": table}), {"test": 4})
    assert made.users["test"] == 4
    assert not uids(made.truth) & silent
    assert not uids(made.split.history) & silent


def test_users_without_a_history_stay_and_are_said() -> None:
    table = people("C", range(60), days=(4, 5))
    made = cut(Town({"B": people("B", range(60)), "C": table}), {"test": 4})
    assert made.users["test"] == 4
    assert len(made.split.history) == 0
    assert made.notes == ("4 test users of C have no history",)


@pytest.mark.parametrize(
    ("source", "given", "reason"),
    [
        (towns(B=50), {}, r"city C is not in the data \(town has B\)"),
        (towns(C=50), {}, r"city B is not in the data \(town has C\)"),
        (towns(), {}, r"city B, C is not in the data \(town has none\)"),
        (towns(B=50, C=50), {"window": Window((0, 3), (30, 31))}, "no test user of C has points on days 30-31"),
        (towns(B=50, C=50), {"days": (40, 50)}, "no training users are left in B"),
        (towns(B=50, C=50), {"users": {"test": {"uids": {"B": "1-3"}}}}, "no test user of C has points on days 4-5"),
        (towns(B=50, C=50), {"users": {"test": {"last": 50}}}, "no training users are left in B"),
        (
            Town(
                {"B": people("B", range(50)), "C": people("C", range(40))},
                masked={"C": people("C", range(40, 50), days=(4, 5)).queries()},
            ),
            {"users": {"test": {"last": 10}}},
            "the truth of the 10 test users of C is masked in these data",
        ),
    ],
)
def test_what_cannot_be_made_is_skipped_with_its_reason(source: Town, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Skip, match=reason):
        cut(source, given.pop("users", {}), **given)


def test_the_same_split_twice_is_the_same() -> None:
    one, two = (cut(towns(B=80, C=80), {"train": 9, "validate": 2, "test": 6}) for _ in range(2))
    for name in ("train", "validate", "history", "queries"):
        assert getattr(one.split, name).fingerprint() == getattr(two.split, name).fingerprint()
    assert one.truth.fingerprint() == two.truth.fingerprint()


def test_splits_of_real_users(humob100: Path, tmp_path: Path) -> None:
    source = Humob(humob100, cache=tmp_path)
    days: dict[str, Any] = {"days": (0, 59), "window": Window((0, 59), (60, 74))}
    hashed = cut(source, {"train": "all", "validate": "all", "test": "all"}, test="B", **days)
    assert sum(hashed.users.values()) == 100
    assert hashed.users["test"] == len(hashed.split.history.users)
    whole = cut(source, {"roles": "city"}, **days)
    assert whole.users["test"] == 100
    assert whole.users["train"] + len(roles("B", np.arange(17600, 17700), UsersSpec(), tests=False)["validate"]) == 100
    published = cut(source, {"test": {"uids": {"C": "13600-13699"}}}, **days)
    assert published.users["test"] == 100
    with pytest.raises(Skip, match=r"city D is not in the data \(humob:plain has B, C\)"):
        cut(source, {}, test="D", **days)


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
