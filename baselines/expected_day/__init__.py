"""expected_day: days are drawn from a conditional logit over each user's own cells; the best in expectation answers.

A place is a cell of the user's history. A query (day d, slot t) asks in which place k the user is. The model is a
conditional logit (McFadden, Conditional logit analysis of qualitative choice behavior, 1974) over 30 candidates, the
places with the most votes:

    P(k | query, place p before) = softmax_k( a . z(query, k) + b . g(query, p, k) )

- z (:mod:`.choices`), 59 columns: what speaks for k at this query. Every history point votes for its place; its vote
  weighs the more, the closer it is to the query in slot, weekday, day type, date and gaps to the points beside it.
  Columns are logarithms of such votes, of the same votes smoothed over space, and of how often and when k was visited.
  A few are multiplied by what the query is like, e.g. whether it is on an off-day.
- g (:mod:`.transitions`), 34 columns: what speaks for k after p: staying, distance, home, and how often k followed p.
  First order: p is the place drawn for the query before.
- a, b (:mod:`.fitting`): one set for all users, by maximum likelihood with a ridge, on windows cut from known days. Ten
  users suffice. There are two fits: a alone, and a with b. Prediction takes the mean of their weights (setting
  ``transitions``). The fit with b names more n-grams; the other strays less far.

The likeliest place of each slot is a poor day: it is often the same place all day, while true points jump to and fro.
So 64 days are drawn, one query after the other. The answer is a day of high expected GEO-BLEU under these draws: it is
searched for from the best of them (:mod:`bench.evaluation.decoding`).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines._decoding import DecodeSettings
from baselines._probabilities import Mixture, mixed, of_users
from baselines._ranking import ranked
from baselines.expected_day.choices import Choices
from baselines.expected_day.weights import Part, Weights
from baselines.statistics._kernel import TUNED
from baselines.statistics._offdays import KnowsOffDays, OffDaySettings
from bench.adapters.adapter import Context, LearnsFrom, Needs
from bench.adapters.origin import GENERATOR, LOOKED_AT, Learning, Tuned, choices_made
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.evaluation.decoding import Way, from_samples
from bench.evaluation.probabilities import CellProbabilities
from bench.files import write_text

PRETRAINED = Path(__file__).parent / "pretrained" / "weights.json"
SETTINGS = Tuned(
    what="settings chosen on",
    challenge="humob2024",
    people=LOOKED_AT,
    days=(45, 59),
    about="weights of the decoding, ridge, share of transitions, numbers of samples and candidates",
)
RECIPE = choices_made("which votes, columns and ways of decoding there are")
MIXTURE = Mixture(own=0.506, visits=0.321, near=0.025, next=0.051)
WEIGHTS, FACTS = "weights.json", "facts.json"


class ExpectedDaySettings(DecodeSettings, OffDaySettings):
    """What the weights are fitted to, and how a day is drawn and answered."""

    predicts_with: ClassVar[frozenset[str]] = DecodeSettings.predicts_with | {"candidates", "kept", "transitions"}

    learn: LearnsFrom = Field(
        "train users",
        description="what the weights are fitted to: train users; test histories (days before the horizon, of all "
        "users); nothing: the shipped weights, fitted to synthetic people",
    )
    windows: int = Field(2, ge=1, description="horizons cut from the end of the known days backwards")
    points: int = Field(15_000, ge=100, description="training points at most; drawn where there are more")
    fit_candidates: int = Field(20, ge=2, description="places beside the true one in the fit")
    ridge: float = Field(3.0, ge=0, description="penalty on squared weights; more keeps them smaller")
    steps: int = Field(80, ge=1, description="steps of L-BFGS at most")
    without: tuple[Part, ...] = Field((), description="parts of the model to fit without, to see what they are worth")
    candidates: int = Field(30, ge=1, description="places considered for each query, those with the most kernel votes")
    kept: int = Field(14, ge=1, description="of these, how many may be drawn: the likeliest")
    transitions: float = Field(
        0.5, ge=0, le=1, description="share of the fit with transitions; 0: points are drawn independently"
    )
    decode: Way = Field("expected_geobleu", description=str(DecodeSettings.model_fields["decode"].description))


class ExpectedDay(KnowsOffDays):
    """Draw days from a conditional logit over the user's own places; answer with the day of highest expected score."""

    name: ClassVar[str] = "expected_day"
    version: ClassVar[int] = 2
    learns_from: ClassVar[LearnsFrom] = "train users"
    needs: ClassVar[Needs] = Needs(packages=("scipy", "threadpoolctl"))
    Settings = ExpectedDaySettings
    settings: ExpectedDaySettings

    def __init__(self, settings: ExpectedDaySettings | None = None) -> None:
        super().__init__(settings)
        if self.settings.learn != "nothing" or self.settings.off_days == "calendar":
            self.learns_from = self.settings.learn  # type: ignore[misc]
        self.in_context = self.settings.transitions > 0
        self._weights: Weights | None = None
        self._points = 0

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose what: the settings and the recipe, and the people behind the shipped weights."""
        return (TUNED, SETTINGS, RECIPE, GENERATOR) if self.settings.learn == "nothing" else (TUNED, SETTINGS, RECIPE)

    def learning(self) -> Learning:
        """Return the start: the fit is convex and has none; the shipped weights are of synthetic people."""
        return Learning() if self._points else Learning(start="pretrained", pretrained_on="synthetic people")

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Fit the weights; where no window fits into the known days, the shipped ones stay."""
        from baselines.expected_day.fitting import examples, fit

        super().fit(train, validate, ctx)
        setting = self.settings
        if setting.learn == "test histories":  # train users may be seen on the horizon's dates: not here
            train = train.days(0, ctx.window.history[1])
        found = None
        if setting.learn != "nothing":
            found = examples(train, setting.windows, setting.fit_candidates, setting.points, ctx, self.choices)
        if found is not None:
            self._points = len(found.truth)
            self._weights = fit(found, setting.ridge, setting.steps, setting.without)

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer users side by side on the context's threads: the compiled loops let others run."""
        users, predict = queries.users, super().predict
        if ctx.threads == 1 or len(users) < 2:
            return predict(history, queries, ctx)
        with ThreadPoolExecutor(ctx.threads) as pool:
            return Answers.concat(list(pool.map(lambda user: predict(history.of(user), queries.of(user), ctx), users)))

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Draw days and choose."""
        found, days = self.draw(history, queries, ctx)
        setting = self.settings
        best = from_samples(
            days, found.places.x, found.places.y, queries.d, setting.decode, setting.aim, ctx.grid.cell_km
        )
        return found.places.at(best)

    def rank(self, history: Trajectories, queries: Queries, ctx: Context) -> np.ndarray:
        """Rank the user's places by how many of the drawn days have them at a query."""
        found, days = self.draw(history, queries, ctx)
        counts = np.stack([np.bincount(places, minlength=len(found.places)) for places in days.T])
        return ranked(counts, found.places.x, found.places.y, ctx.ranks)

    def choices(self, history: Trajectories, queries: Queries, most: int, ctx: Context) -> Choices:
        """Return one user's candidates and their columns, in fit and when asked."""
        return Choices.of(history, queries, most, ctx)

    def draw(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[Choices, np.ndarray]:
        """Return one user's candidates and drawn days: places, int64 (samples, queries)."""
        from baselines.expected_day import transitions

        setting = self.settings
        found, logits, chained = self._scored(history, queries, ctx)
        kept = np.argsort(-logits, axis=1, kind="stable")[:, : setting.kept]
        index, logits = (np.take_along_axis(values, kept, axis=1) for values in (found.index, logits))
        drawn = np.empty((len(queries), setting.samples), np.int64)
        rng = ctx.rng("days", *queries.users[0])
        now, past = transitions.asked(queries, ctx), transitions.past(history, found.places, found.stays, ctx)
        transitions.walk(now, past, index, logits, chained, rng.random(index.shape), rng.random(drawn.shape), drawn)
        return found, np.take_along_axis(index, drawn, axis=1).T

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> CellProbabilities:
        """Mix the logit's shares, after the cell before each query, with where the user is at all."""
        ctx = self.knowing(ctx)

        def one(past: Trajectories, asked: Queries) -> CellProbabilities:
            user = asked.users[0]
            found, shares = self._shares(past, asked, shown.of(user) if shown is not None else None, ctx)
            own = np.zeros((len(asked), len(found.places)))
            np.put_along_axis(own, found.index, shares, axis=1)
            return mixed(own, found.places, ctx.grid, MIXTURE)

        return of_users(history, queries, one)

    def _shares(
        self, history: Trajectories, queries: Queries, shown: Trajectories | None, ctx: Context
    ) -> tuple[Choices, np.ndarray]:
        """Return one user's candidates and their shares, (queries, candidates)."""
        from baselines.expected_day import transitions

        found, logits, chained = self._scored(history, queries, ctx)
        if shown is not None and len(chained):
            after = transitions.after_truth(history, shown, found, ctx)
            logits += np.einsum("nqk,n->qk", after, chained.astype(np.float32))
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return found, shares / shares.sum(axis=1, keepdims=True)

    def _scored(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[Choices, np.ndarray, np.ndarray]:
        """Return one user's candidates, a . z of each (queries, candidates), and b."""
        found = self.choices(history, queries, self.settings.candidates, ctx)
        unary, chained = self.weights.mixed(self.settings.transitions)
        return found, np.einsum("nqk,n->qk", found.columns, unary.astype(np.float32)).astype(np.float64), chained

    @property
    def weights(self) -> Weights:
        """The fitted weights, or those that are shipped."""
        if self._weights is None:
            self._weights = Weights.load(PRETRAINED)
        return self._weights

    def save(self, folder: Path) -> None:
        """Write the weights by name, and what is known of the fit."""
        super().save(folder)
        self.weights.save(folder / WEIGHTS)
        write_text(folder / FACTS, json.dumps({"points": self._points}) + "\n")

    def load(self, folder: Path) -> None:
        """Read what save wrote."""
        super().load(folder)
        self._weights = Weights.load(folder / WEIGHTS)
        self._points = json.loads((folder / FACTS).read_text(encoding="utf-8"))["points"]

    def facts(self) -> dict[str, int | float | str]:
        """Return the number of weights, the points they were fitted to, and where they come from."""
        count = self.weights.size
        trained = {"trained_parameters": count, "points": self._points} if self._points else {}
        return {**super().facts(), "parameters": count, "init": "scratch" if self._points else "pretrained", **trained}
