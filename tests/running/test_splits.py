"""Splits: what each part holds, the truth apart, how many of whom, and every shortage said."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from town import WINDOW, Town, cut, people, towns, uids

from bench.data.sources.humob import Humob
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window
from bench.protocol.schema import SplitSpec, TrainSpec, UsersSpec
from bench.running import splits
from bench.running.splits import Skip, roles


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
