"""A trial: a fitted model draws days for some people, and the answers made of them are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from baselines.expected_day import ExpectedDay, ExpectedDaySettings
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories, by_user
from bench.evaluation.decoding import best_days
from bench.evaluation.metrics import score_users

METRICS = ("geobleu@humob24", "geobleu@giscup25", "dtw@fixed")


class Drawn(NamedTuple):
    """One user's history and queries, and sampled days (samples, queries) as indices into the cells x, y."""

    history: Trajectories
    queries: Queries
    days: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Trial:
    """A fitted model, the people who are asked, and the days that it draws for each of them."""

    def __init__(self, table: Trajectories, model: ExpectedDay, ctx: Context) -> None:
        self.model, self.ctx = model, ctx
        self.history, self.truth = table.days(*ctx.window.history), table.days(*ctx.window.horizon)
        self.drawn = self.draw(model, ctx)

    @classmethod
    def of_histories(cls, table: Trajectories, ctx: Context) -> Trial:
        """Fit the model to the days before the horizon, of the people who are asked."""
        model = ExpectedDay(ExpectedDaySettings(learn="test histories"))
        model.fit(table.days(*ctx.window.history), None, ctx)
        return cls(table, model, ctx)

    def draw(self, model: ExpectedDay, ctx: Context) -> list[Drawn]:
        """Return every user's sampled days."""
        drawn = []
        for _user, past, asked in by_user(self.history, self.truth.queries()):
            found, days = model.draw(past, asked, ctx)
            drawn.append(Drawn(past, asked, days, found.places.x, found.places.y))
        return drawn

    def answer(self, one: Drawn) -> np.ndarray:
        """Return one user's days of highest expected score, as indices into its cells."""
        return best_days(one.days, one.x, one.y, one.queries.d, self.model.settings.aim)

    def scores(self, drawn: Sequence[Drawn], answers: Sequence[np.ndarray] | None = None) -> pd.DataFrame:
        """Score everybody's answers: those given, else the best of the drawn days."""
        best = answers if answers is not None else [self.answer(one) for one in drawn]
        x = np.concatenate([one.x[cells] for one, cells in zip(drawn, best, strict=True)])
        y = np.concatenate([one.y[cells] for one, cells in zip(drawn, best, strict=True)])
        return score_users(x, y, self.truth, METRICS, threads=1)
