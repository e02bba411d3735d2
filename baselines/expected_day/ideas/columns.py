"""More columns of the unary logit: what other models hold of a candidate, and points of interest around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from baselines._probabilities import over_places
from baselines.expected_day import ExpectedDay, ExpectedDaySettings
from baselines.expected_day.choices import FLOOR, Choices
from baselines.expected_day.ideas.trial import Drawn, Trial
from baselines.trees._poi import Affinity, Surroundings
from baselines.trees.candidate_boosting import CandidateBoosting
from bench.adapters.adapter import Context
from bench.data.poi import Poi
from bench.data.trajectories import Queries, Trajectories

Columns = Callable[[Trajectories, Queries, Choices, Context], np.ndarray]
"""From one user's history, queries and candidates to further columns, float32 (columns, queries, k)."""


class Wider(ExpectedDay):
    """expected_day with further columns, whose weights are fitted as those of the others."""

    def __init__(self, settings: ExpectedDaySettings, further: Columns) -> None:
        assert not settings.without, "parts to leave out are numbered without further columns"
        super().__init__(settings)
        self._further = further

    def choices(self, history: Trajectories, queries: Queries, most: int, ctx: Context) -> Choices:
        """Describe the candidates with the further columns, too."""
        found = super().choices(history, queries, most, ctx)
        return replace(found, columns=np.concatenate([found.columns, self._further(history, queries, found, ctx)]))


def with_columns(trial: Trial, further: Columns) -> list[Drawn]:
    """Fit the model to the same days with the further columns, and draw."""
    model = Wider(trial.model.settings, further)
    model.fit(trial.history, None, trial.ctx)
    return trial.draw(model, trial.ctx)


def boosting(trial: Trial) -> Columns:
    """Stack candidate_boosting, fitted to the known days; each half of the people gets the one of the other half.

    So no column comes from trees that were fitted to the very points that the column's weight is fitted to.
    """
    setting = CandidateBoosting.Settings(candidates=trial.model.settings.candidates)
    halves = [trial.history.users[i::2] for i in (0, 1)]
    fitted: dict[tuple[str, int], CandidateBoosting] = {}
    for half, others in (halves, halves[::-1]):
        model = CandidateBoosting(setting)
        model.fit(trial.history.only(others), None, trial.ctx)
        fitted |= dict.fromkeys(half, model)

    def columns(history: Trajectories, queries: Queries, found: Choices, ctx: Context) -> np.ndarray:
        given, shares = fitted[queries.users[0]].shares(history, queries, None, ctx)
        own = over_places(shares, given.x, given.y, found.places)
        return _logs(np.take_along_axis(own, found.index, axis=1))

    return columns


def lp_bert(trial: Trial) -> Columns:
    """Stack lp_bert as it is shipped: it has seen synthetic people alone."""
    from baselines.lp_bert import LpBert, LpBertSettings

    model = LpBert(LpBertSettings(epochs=0))
    with TemporaryDirectory() as folder:
        someone = trial.history.only(trial.history.users[:1])
        model.fit(someone, None, replace(trial.ctx, folder=Path(folder)))

    def columns(history: Trajectories, queries: Queries, found: Choices, ctx: Context) -> np.ndarray:
        given, row = model.probabilities(history, queries, ctx), np.arange(len(queries))[:, None]
        x, y = found.places.at(found.index)
        return _logs(given.x[row, x - 1] * given.y[row, y - 1])

    return columns


def poi(trial: Trial, tables: Mapping[str, Poi]) -> Columns:
    """Count points of interest in and around a candidate, and ask whether such ones draw people at that hour.

    The last is learned from the known days of all people: a number for each hour and category.
    """
    cities = {city: Surroundings.of(table) for city, table in tables.items()}
    affinity = Affinity.learn(trial.history, cities, trial.ctx)

    def columns(history: Trajectories, queries: Queries, found: Choices, ctx: Context) -> np.ndarray:
        x, y = found.places.at(found.index)
        features = affinity.features(x, y, queries, cities[queries.users[0][0]], ctx)
        return features.transpose(2, 0, 1).astype(np.float32)

    return columns


def _logs(shares: np.ndarray) -> np.ndarray:
    """Return logarithms of the candidates' shares, which sum to one first, as one column."""
    total = np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.log(shares / total + FLOOR)[None].astype(np.float32)
