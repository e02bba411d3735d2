"""One cell a slot: against a slow way to say the rules, on clocks that change, and with gaps."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.points.fixes import Fixes, Ledger
from bench.data.points.settings import Settings
from bench.data.points.slots import Slots, fill_gaps, local_minutes, one_a_slot, weekday

FIX = st.tuples(st.integers(0, 1), st.integers(0, 200), st.integers(1, 3))  # user, minute, x


def table(fixes: list[tuple[int, int, int]]) -> tuple[Fixes, np.ndarray]:
    user, minute, x = np.array(fixes).T
    where = np.zeros(len(fixes))
    return Fixes(("a", "b"), user.astype(np.int32), minute * 60_000, where, where), x.astype(np.int32)


def slowly(fixes: list[tuple[int, int, int]], rule: str) -> dict[tuple[int, int], int]:
    """User, slot -> x by the words of the rule."""
    weight: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    seen: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for i, (user, minute, x) in enumerate(fixes):
        key, end = (user, minute // 30), (minute // 30 + 1) * 30
        following = fixes[i + 1][1] if i + 1 < len(fixes) and fixes[i + 1][0] == user else end
        weight[key][x] += {"last": 0, "majority": 1, "longest": min(following, end) - minute}[rule]
        seen[key][x] = i
    return {key: max(cells, key=lambda x: (cells[x], seen[key][x])) for key, cells in weight.items()}


@given(
    st.lists(FIX, min_size=1, max_size=30, unique_by=lambda fix: fix[:2]),
    st.sampled_from(("last", "majority", "longest")),
)
def test_the_rules_are_what_their_words_say(fixes: list[tuple[int, int, int]], rule: str) -> None:
    fixes = sorted(fixes)
    made, x = table(fixes)
    ledger = Ledger(len(fixes))
    rows = one_a_slot(made, x, np.ones_like(x), None, Settings(rule=rule), ledger)  # type: ignore[arg-type]
    number = rows.day * 48 + rows.slot
    assert dict(zip(zip(rows.user.tolist(), number.tolist(), strict=True), rows.x.tolist(), strict=True)) == slowly(
        fixes, rule
    )
    assert ledger.left == len(rows)


def test_a_clock_that_is_set_back_gives_each_slot_once() -> None:
    utc = pd.date_range(
        "2024-11-03 04:00", periods=12, freq="15min"
    )  # New York goes from 2:00 back to 1:00 at 6:00 UTC
    ms = utc.to_numpy("datetime64[ms]").astype(np.int64)
    fixes = Fixes(("a",), np.zeros(12, np.int32), ms, np.zeros(12), np.zeros(12))
    x = np.arange(1, 13, dtype=np.int32)
    rows = one_a_slot(fixes, x, x, "America/New_York", Settings(), Ledger(12))
    assert rows.slot.tolist() == [0, 1, 2, 3]  # midnight to 2 o'clock; the second hour from 1 to 2 stands for both
    assert rows.x.tolist() == [2, 4, 10, 12]


@given(
    st.lists(st.integers(0, 2**41), min_size=1, max_size=20), st.sampled_from(("Asia/Kathmandu", "America/New_York"))
)
def test_local_time_is_that_of_the_zone(ms: list[int], zone: str) -> None:
    fixes = Fixes(("a",), np.zeros(len(ms), np.int32), np.array(ms), np.zeros(len(ms)), np.zeros(len(ms)))
    minute, _ = local_minutes(fixes, zone)
    local = pd.to_datetime(pd.Series(ms), unit="ms", utc=True).dt.tz_convert(zone).dt.tz_localize(None)
    assert minute.tolist() == (local.to_numpy("datetime64[ms]").astype(np.int64) // 60_000).tolist()


@pytest.mark.parametrize(
    ("minutes", "slots"), [(0, [0, 3, 9]), (30, [0, 3, 9]), (60, [0, 1, 2, 3, 9]), (600, [0, 1, 2, 3, 9])]
)
def test_a_gap_within_one_cell_is_a_stay_up_to_a_length(minutes: int, slots: list[int]) -> None:
    rows = Slots(*(np.array(column) for column in ([0, 0, 0], [5, 5, 5], [0, 3, 9], [1, 1, 2], [1, 1, 1])))
    filled = fill_gaps(rows, Settings(fill_minutes=minutes))
    assert filled.slot.tolist() == slots
    assert set(filled.x[:-1].tolist()) == {1}


def test_a_stay_goes_on_over_midnight() -> None:
    rows = Slots(*(np.array(column) for column in ([0, 0], [5, 6], [46, 1], [1, 1], [1, 1])))
    filled = fill_gaps(rows, Settings(fill_minutes=120))
    assert list(zip(filled.day.tolist(), filled.slot.tolist(), strict=True)) == [(5, 46), (5, 47), (6, 0), (6, 1)]


def test_weekdays_count_from_sunday() -> None:
    assert weekday((pd.Timestamp("2024-01-07") - pd.Timestamp("1970-01-01")).days) == 0
