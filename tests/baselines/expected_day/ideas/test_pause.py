"""A break leaves days out and nothing else: weekdays, off-days and people stay."""

from __future__ import annotations

import numpy as np

from baselines.expected_day.ideas.pause import LAST, LENGTH, paused_calendar, paused_days, without_and_with
from bench.adapters.adapter import Context
from bench.adapters.small_world import people
from bench.data.world import Calendar


def test_the_days_that_remain_keep_weekday_and_type() -> None:
    table = people("R", range(1), 60)
    kept = table.take((table.d <= LAST) | (table.d > LAST + LENGTH))
    paused, before, after = paused_days(table), Calendar(), paused_calendar(Calendar())
    assert sorted(set(paused.d.tolist())) == list(range(60 - LENGTH))
    assert np.array_equal(after.elapsed(paused.d), kept.d)
    assert np.array_equal(after.weekday(paused.d), before.weekday(kept.d))
    assert np.array_equal(after.is_off(paused.d), before.is_off(kept.d))
    assert np.array_equal(paused.x, kept.x)


def test_everybody_is_asked_once_and_pairs_are_of_one_person() -> None:
    table = people("R", range(4), 60)
    without, with_break = without_and_with(table, Context())
    assert sorted(without["uid"]) == [0, 1, 2, 3]
    assert without[["city", "uid", "points"]].equals(with_break[["city", "uid", "points"]])
    assert without["points"].sum() == (table.d >= 45).sum()
    assert not without["geobleu@humob24"].equals(with_break["geobleu@humob24"])
