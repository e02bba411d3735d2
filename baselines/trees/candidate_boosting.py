"""candidate_boosting: one gradient-boosting ranker, trained on all users, chooses among each user's own cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines._decoding import DecodeSettings, choose
from baselines._probabilities import Mixture, mixed, of_users, over_places
from baselines._ranking import ranked
from baselines._windows import windows
from baselines.statistics._kernel import TUNED
from baselines.statistics._votes import Places
from baselines.trees._candidates import Candidates
from baselines.trees._poi import Affinity, Surroundings
from baselines.trees._trees import Trees
from bench.adapters.adapter import Adapter, Context, LearnsFrom, Needs, Split
from bench.adapters.origin import Tuned, choices_made
from bench.data.trajectories import MISSING, Answers, Queries, Trajectories, by_user
from bench.evaluation.probabilities import CellProbabilities

MIXTURE = Mixture(own=0.333, visits=0.481, near=0.036, next=0.054)


class CandidateBoosting(Adapter):
    """Rank the cells where a user was by their expected proximity exp(-distance in km) to the truth; answer the best.

    The expectation begins with the kernel votes, smoothed over cells; boosted trees add what the votes get wrong. They
    learn it on windows within the training users' days: what came after a history, as the test users are asked.
    """

    name: ClassVar[str] = "candidate_boosting"
    learns_from: ClassVar[LearnsFrom] = "train users"
    needs: ClassVar[Needs] = Needs(packages=("sklearn", "threadpoolctl"))
    knows_worlds: ClassVar[bool] = True

    class Settings(DecodeSettings):
        """What is ranked, what is learned from, and the trees."""

        candidates: int = Field(20, ge=2, description="cells ranked for each query, those with the most kernel votes")
        windows: int = Field(2, ge=1, description="horizons cut from the end of the training days backwards")
        rows: int = Field(200_000, ge=1000, description="training rows (query x candidate) at most; drawn where more")
        trees: int = Field(60, ge=1, description="boosting steps")
        leaves: int = Field(15, ge=2, description="leaves of a tree at most")
        learning_rate: float = Field(0.06, gt=0, description="share of each tree that is added")
        least_rows: int = Field(100, ge=1, description="training rows in a leaf at least")
        poi: bool = Field(False, description="look at the points of interest around each cell, too")

    settings: Settings
    _trees: Trees
    _affinity: Affinity

    def wants_poi(self) -> bool:
        """Tell whether the setting says so."""
        return bool(self.settings.poi)

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose the first kernel, and whose scores were in sight when the trees were set up."""
        return (TUNED, choices_made("the number of trees, and how places are told apart where votes are equal"))

    def skip(self, split: Split) -> str | None:
        """Skip where the training days hold no history with a horizon after it."""
        if windows(split.train, split.window, self.settings.windows):
            return None
        return f"the training days are too few for a horizon of {split.window.horizon_days} days after a history"

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Fit the trees on windows of the training users."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        cities = self._surroundings(ctx)
        if self.settings.poi:
            self._affinity = Affinity.learn(train, cities, ctx)
        features, target = self._examples(train, cities, ctx)
        model = HistGradientBoostingRegressor(
            max_iter=self.settings.trees,
            max_leaf_nodes=self.settings.leaves,
            learning_rate=self.settings.learning_rate,
            min_samples_leaf=self.settings.least_rows,
            early_stopping=False,
            random_state=ctx.seed_for("trees") % 2**32,
        )
        with threadpool_limits(1):  # tables this small gain nothing from a second thread, and sums stay in one order
            model.fit(features, target)
        self._trees = Trees.of(model)

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer user by user; users without a history get ``missing``."""
        parts, cities = [], self._surroundings(ctx)
        for user, past, asked in by_user(history, queries):
            zero = np.zeros(len(asked), np.int16)
            parts.append(
                self._best(past, asked, cities.get(user[0]), ctx)
                if len(past)
                else Answers.of(zero, zero, np.full(len(asked), MISSING))
            )
        return Answers.concat(parts)

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> CellProbabilities:
        """Mix the candidates' shares with where the user is at all."""
        cities = self._surroundings(ctx)

        def one(past: Trajectories, asked: Queries) -> CellProbabilities:
            found, shares = self.shares(past, asked, cities.get(asked.users[0][0]), ctx)
            places = Places.of(past)
            return mixed(over_places(shares, found.x, found.y, places), places, ctx.grid, MIXTURE)

        return of_users(history, queries, one)

    def shares(
        self, history: Trajectories, queries: Queries, city: Surroundings | None, ctx: Context
    ) -> tuple[Candidates, np.ndarray]:
        """Return one user's candidates and their shares, (queries, k), each row up to a factor of its own.

        city: its points of interest, where they are wanted.
        """
        found = Candidates.of(history, queries, self.settings.candidates, ctx)
        return found, self._shares(found, self._rank(found, queries, city, ctx))

    def save(self, folder: Path) -> None:
        """Write the trees, and what was learned of points of interest."""
        self._trees.save(folder)
        if self.settings.poi:
            self._affinity.save(folder)

    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote."""
        self._trees = Trees.load(folder)
        if self.settings.poi:
            self._affinity = Affinity.load(folder)

    def facts(self) -> dict[str, int | float | str]:
        """Thresholds and leaf values that were learned."""
        return {"parameters": len(self._trees.value), "trees": len(self._trees.roots)}

    def _surroundings(self, ctx: Context) -> dict[str, Surroundings]:
        """Count the points of interest of each city, where they are wanted."""
        return {city: Surroundings.of(poi) for city, poi in ctx.poi.items()} if self.settings.poi else {}

    def _rows(self, found: Candidates, queries: Queries, city: Surroundings | None, ctx: Context) -> np.ndarray:
        """Return the features of all candidates, shape (queries * k, features)."""
        if not self.settings.poi:
            return found.rows
        if city is None:
            raise ValueError("a user's city has no table of points of interest")
        more = self._affinity.features(found.x, found.y, queries, city, ctx)
        return np.concatenate([found.rows, more.reshape(-1, more.shape[2]).astype(np.float32)], axis=1)

    def _best(self, history: Trajectories, queries: Queries, city: Surroundings | None, ctx: Context) -> Answers:
        """Answer one user's queries with the candidates that rank first."""
        found = Candidates.of(history, queries, self.settings.candidates, ctx)
        rank = self._rank(found, queries, city, ctx)
        wanted = ctx.ranks or self.settings.decode != "proximity"
        shares = self._shares(found, rank) if wanted else rank
        if self.settings.decode != "proximity":
            said = Answers.of(*choose(shares, found.x, found.y, queries, self.settings, ctx))
        else:
            best = rank.argmax(axis=1)[:, None]
            said = Answers.of(*(np.take_along_axis(cells, best, axis=1)[:, 0] for cells in (found.x, found.y)))
        return replace(said, ranked=ranked(shares, found.x, found.y, ctx.ranks)) if ctx.ranks else said

    def _rank(self, found: Candidates, queries: Queries, city: Surroundings | None, ctx: Context) -> np.ndarray:
        """Return each candidate's expected proximity, (queries, k)."""
        return found.votes + self._trees.predict(self._rows(found, queries, city, ctx)).reshape(found.x.shape)

    @staticmethod
    def _shares(found: Candidates, rank: np.ndarray) -> np.ndarray:
        """Scale a candidate's share of the votes as the trees scale its expected proximity."""
        return found.shares * np.maximum(rank, 1e-6) / found.votes

    def _examples(
        self, train: Trajectories, cities: Mapping[str, Surroundings], ctx: Context
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return features and targets of drawn queries, all candidates of each."""
        cut = windows(train, ctx.window, self.settings.windows)
        asked = sum(int(((train.d >= first) & (train.d <= last)).sum()) for _past, (first, last) in cut)
        share = min(1.0, self.settings.rows / (asked * self.settings.candidates))
        features, targets = [], []
        for i, user in enumerate(train.users):
            ctx.check_time()
            ctx.progress("candidates", i, len(train.users))
            rows, here = train.of(user), ctx.at(user[0])
            for past, horizon in cut:
                history, truth = rows.days(*past), rows.days(*horizon)
                truth = truth.take(ctx.rng("queries", *user, horizon[0]).random(len(truth)) < share)
                if len(history) and len(truth):
                    found = Candidates.of(history, truth, self.settings.candidates, here)
                    apart = np.hypot(found.x - truth.x[:, None], found.y - truth.y[:, None])
                    features.append(self._rows(found, truth, cities.get(user[0]), here))
                    targets.append((np.exp(-here.grid.cell_km * apart) - found.votes).ravel())
        return np.concatenate(features), np.concatenate(targets)
