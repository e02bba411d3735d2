"""Which date is day 0, how long records are cut, and who is dropped for too little."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.points.fixes import Ledger
from bench.data.points.settings import Settings
from bench.data.points.slots import Slots
from bench.data.points.windows import cut_days

SUNDAY = 19_729  # 7 January 2024


def rows(days: dict[int, list[int]]) -> Slots:
    """User -> days since SUNDAY, a slot each."""
    pairs = sorted((user, day) for user, seen in days.items() for day in seen)
    user, day = np.array(pairs).T
    ones = np.ones(len(pairs), np.int64)
    return Slots(user.astype(np.int32), day + SUNDAY, ones, ones, ones)


def cut(days: dict[int, list[int]], **options: object) -> tuple[dict[int, list[int]], Ledger, date | None]:
    settings = Settings.model_validate({"min_rows": 1} | options)
    table = rows(days)
    ledger = Ledger(len(table))
    made = cut_days(table, np.arange(max(days) + 1), settings, ledger)
    found = {int(uid): made.rows.day[made.uid == uid].tolist() for uid in np.unique(made.uid)}
    assert ledger.left == len(made.rows)
    return found, ledger, made.first


def test_day_0_is_the_sunday_before() -> None:
    found, _, first = cut({0: [2, 9], 1: [30]})
    assert found == {0: [2, 9], 1: [30]}
    assert first == date(2024, 1, 7)


def test_day_0_may_be_another_weekday_or_a_date() -> None:
    assert cut({0: [2]}, first_weekday="monday")[2] == date(2024, 1, 8)
    found, ledger, _ = cut({0: [2, 9]}, first_day="2024-01-12")
    assert found == {0: [4]}
    assert list(ledger.dropped) == ["a slot before day 0"]


def test_a_shared_window_is_where_most_slots_are() -> None:
    found, ledger, first = cut({0: [0, 15, 16], 1: [17, 40]}, window_days=7)
    assert (found, first) == ({0: [1, 2], 1: [3]}, date(2024, 1, 21))
    assert sum(ledger.dropped.values()) == 2


def test_each_user_has_a_busiest_window_of_its_own() -> None:
    found, _, first = cut({0: [0, 15, 16], 1: [3, 4, 30]}, window_days=7, windows="busiest")
    assert (found, first) == ({0: [1, 2], 1: [3, 4]}, None)


def test_all_windows_are_users_of_their_own_and_begin_on_one_weekday() -> None:
    found, ledger, _ = cut({0: [0, 9, 10, 14], 2: [15, 40]}, window_days=10, windows="all")
    assert found == {0: [0, 9], 1: [0], 2000: [1]}
    assert sum(ledger.dropped.values()) == 2  # day 10 of one user, day 26 - 14 = 12 of the other's second window


@given(
    st.dictionaries(st.integers(0, 3), st.lists(st.integers(0, 200), min_size=1, max_size=20, unique=True), min_size=1),
    st.integers(7, 40),
    st.sampled_from(("shared", "busiest", "all")),
)
def test_a_window_keeps_its_length_and_its_weekdays(days: dict[int, list[int]], length: int, windows: str) -> None:
    found, _, _ = cut(days, window_days=length, windows=windows)
    for uid, seen in found.items():
        user = uid // 1000 if windows == "all" else uid
        assert min(seen) >= 0
        assert max(seen) < length
        shifts = {(day - other) % 7 for day in seen[:1] for other in days[user]}
        assert 0 in {shift % 7 for shift in shifts}
    if windows == "busiest":
        for user, seen in days.items():
            best = max(sum(s <= day < s + length for day in seen) for s in range(-42, 201, 7))
            assert len(found[user]) == best


def test_users_with_too_little_are_dropped_and_counted() -> None:
    found, ledger, _ = cut({0: [0, 1, 2], 1: [5], 2: [3, 4]}, min_days=2)
    assert set(found) == {0, 2}
    assert ledger.dropped == {"a slot of a user with fewer than 1 slots or 2 days": 1}
    assert ledger.noted == {"users dropped for too little activity": 1}


def test_too_many_windows_are_refused() -> None:
    with pytest.raises(Exception, match="more than 1000 windows"):
        cut({0: [0, 8000]}, window_days=1, windows="all")
