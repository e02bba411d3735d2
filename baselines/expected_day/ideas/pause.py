"""Training windows with a break of the calendar between history and horizon.

In GIS Cup 2025 the days to predict of cities C and D lie months after the last known day. Its data are not needed to
ask whether the weights should be fitted to windows with such a break: leave days 30-44 out. What remains looks like
the challenge's files: days that count on without a gap, and a calendar that knows of the break. The break is shorter
than the challenge's: 15 days.

Weights are fitted to one half of the people, of whom days 45-59 are known, and the other half is asked: a challenge's
training users are known to the end, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from baselines.expected_day import ExpectedDay
from baselines.expected_day.ideas.trial import Trial
from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Window

WINDOW = Window((0, 29), (30, 44))
LAST, LENGTH = WINDOW.history[1], 15  # the break: after which day, and how many days


def without_and_with(table: Trajectories, ctx: Context) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score answers across the break, with weights of windows without one and of windows with one.

    table: days 0-59. Both fits see two windows of as many days: the second, days 0-14 and 15-29, is the same.
    """
    plain = replace(ctx, window=WINDOW)
    paused = replace(plain, calendar=paused_calendar(ctx.calendar))
    whole, cut = table.days(0, WINDOW.horizon[1]), paused_days(table)
    halves = [table.users[i::2] for i in (0, 1)]
    scores: tuple[list[pd.DataFrame], list[pd.DataFrame]] = ([], [])
    for asked, others in (halves, halves[::-1]):
        for found, (rows, here) in zip(scores, ((whole, plain), (cut, paused)), strict=True):
            model = ExpectedDay()
            model.fit(rows.only(others), None, here)
            trial = Trial(cut.only(asked), model, paused)
            found.append(trial.scores(trial.drawn))
    without, with_break = (pd.concat(found, ignore_index=True) for found in scores)
    return without, with_break


def paused_days(table: Trajectories) -> Trajectories:
    """Leave the break's days out, and count on without a gap."""
    kept = table.take((table.d <= LAST) | (table.d > LAST + LENGTH))
    return replace(kept, d=np.where(kept.d > LAST, kept.d - LENGTH, kept.d).astype(kept.d.dtype))


def paused_calendar(calendar: Calendar) -> Calendar:
    """Return the calendar of :func:`paused_days`: weekdays and off-days are those that they were."""
    moved = {d if d <= LAST else d - LENGTH for d in calendar.holidays if not LAST < d <= LAST + LENGTH}
    return replace(calendar, holidays=frozenset(moved), breaks=((LAST, LENGTH),))
