"""Adapters of an outsider, good and bad, for the tests of the runner: ``--adapter outside_models:Home``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Adapter, Context, PerUser, Settings, Split
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.evaluation.probabilities import AxisProbabilities, CellProbabilities, Probabilities
from bench.records.store import read_json, write_json


class Home(Adapter):
    """Answers with one cell, learned in fit: the most frequent x and y of the training users."""

    name: ClassVar[str] = "home"

    class Settings(Settings):
        """fit_seconds: how long fit pretends to work."""

        fit_seconds: float = 0.0

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Learn the two modes; note each call beside the checkpoints."""
        steps = 10
        for step in range(steps):
            ctx.progress("epoch", step, steps)
            time.sleep(self.settings.fit_seconds / steps)
        self.cell = (int(np.bincount(train.x).argmax()), int(np.bincount(train.y).argmax()))

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the learned cell."""
        return Answers.of(*(np.full(len(queries), value) for value in self.cell))

    def save(self, folder: Path) -> None:
        """Write the cell."""
        write_json(folder / "cell.json", {"cell": self.cell})

    def load(self, folder: Path) -> None:
        """Read the cell."""
        self.cell = tuple(read_json(folder / "cell.json")["cell"])

    def facts(self) -> dict[str, int]:
        """Two numbers were learned."""
        return {"parameters": 2}


class Shifted(Home):
    """Learns one cell; a setting that only prediction looks at moves it."""

    name: ClassVar[str] = "shifted"

    class Settings(Settings):
        """fit_seconds: how long fit pretends to work; shift: cells to the right."""

        predicts_with: ClassVar[frozenset[str]] = frozenset({"shift"})
        fit_seconds: float = 0.02
        shift: int = 0

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the learned cell, moved."""
        return Answers.of(
            np.full(len(queries), self.cell[0] + self.settings.shift), np.full(len(queries), self.cell[1])
        )


class Counts(Home):
    """Says what it spent: as many tokens as queries, a pass a user, a margin by the user's number."""

    name: ClassVar[str] = "counts"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer, and count."""
        users = queries.users
        self.totals = {"users": len(users), "tokens_fed": len(queries), "forward_passes": 3 * len(users)}
        self.totals |= {"drafted": 4, "accepted": 1, "smallest_margin": 1 / (1 + max((u for _, u in users), default=0))}
        return super().predict(history, queries, ctx)

    def usage(self) -> dict[str, float]:
        """What was counted in the last call."""
        return self.totals


class _Simple(Adapter):
    learns_from = "nothing"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the middle."""
        n = len(queries)
        return Answers.of(np.full(n, 100), np.full(n, 100))


class Raises(_Simple):
    """Fails in predict."""

    name: ClassVar[str] = "raises"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Fail."""
        raise RuntimeError("no such\nplace")


class Hangs(_Simple):
    """Never looks at the clock."""

    name: ClassVar[str] = "hangs"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Hang."""
        time.sleep(600)
        return super().predict(history, queries, ctx)


class Dies(_Simple):
    """Takes its process with it."""

    name: ClassVar[str] = "dies"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Die."""
        print("a last word", file=sys.stderr, flush=True)
        os._exit(7)


class Short(_Simple):
    """Forgets a row."""

    name: ClassVar[str] = "short"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer all but one."""
        return Answers.of(np.full(len(queries) - 1, 100), np.full(len(queries) - 1, 100))


class Outside(_Simple):
    """Answers half of its queries with cells off the grid, and leaves out some."""

    name: ClassVar[str] = "outside"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer by the parity of the slot: 999, or the middle; slot 0 has no answer."""
        x = np.where(queries.t % 2, 999, 100)
        return Answers.of(x, x, np.where(queries.t == 0, 2, 0))


class Peeks(_Simple):
    """Says how much of what it was given lies in the horizon."""

    name: ClassVar[str] = "peeks"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Raise if any row of the history lies in the horizon, or if queries carry cells."""
        if (history.d >= ctx.window.horizon[0]).any() or hasattr(queries, "x"):
            raise RuntimeError("the truth is within reach")
        return super().predict(history, queries, ctx)


class NeedsGpu(_Simple):
    """Cannot run here."""

    name: ClassVar[str] = "needs_gpu"
    from bench.adapters.adapter import Needs

    needs = Needs(packages=("no_such_package_at_all",))


class Homesick(_Simple):
    """Takes part nowhere, and says where it was to."""

    name: ClassVar[str] = "homesick"
    device = "a place that nobody named"

    def skip(self, split: Split) -> str | None:
        """Say where."""
        return f"not on {self.device}"


class Believes(PerUser):
    """Answers with the last cell; holds the cell before each query likely, the history's last at first."""

    name: ClassVar[str] = "believes"
    in_context = True

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Answer with the last cell."""
        return np.full(len(queries), history.x[-1]), np.full(len(queries), history.y[-1])

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return half the probability for one cell."""
        assert shown is not None
        x, y = (self.likely(axis)[:, None] for axis in (shown.x, shown.y))
        return CellProbabilities(x, y, np.full(x.shape, 0.5))

    def likely(self, axis: np.ndarray) -> np.ndarray:
        """Return the axis of the cell that is held likely."""
        return np.concatenate([axis[:1] * 0 + 1, axis[:-1]])


class LooksBack(Believes):
    """Looks at what it may."""

    name: ClassVar[str] = "looks_back"

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return both axes: y after x, which it may see."""
        assert shown is not None
        first = np.concatenate([[True], queries.uid[1:] != queries.uid[:-1]])
        x, y = np.full((len(queries), ctx.grid.width), 1.0), np.full((len(queries), ctx.grid.height), 1.0)
        rows = np.arange(len(queries))
        x[rows[~first], shown.x[:-1][~first[1:]] - 1] += 100
        y[rows, shown.x - 1] += 3
        return AxisProbabilities(x / x.sum(axis=1, keepdims=True), y / y.sum(axis=1, keepdims=True))


class LooksAtIt(Believes):
    """Holds the very cell likely that it is asked for."""

    name: ClassVar[str] = "looks_at_it"

    def likely(self, axis: np.ndarray) -> np.ndarray:
        """Look at the cell itself."""
        return axis


class LooksAtItsY(Believes):
    """Knows nothing of x and looks at the y that it is asked for."""

    name: ClassVar[str] = "looks_at_its_y"

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return both axes."""
        assert shown is not None
        x, y = (np.full((len(queries), size), 1.0) for size in (ctx.grid.width, ctx.grid.height))
        y[np.arange(len(y)), shown.y - 1] += 300
        return AxisProbabilities(x / x.sum(axis=1, keepdims=True), y / y.sum(axis=1, keepdims=True))


class SumsToTwo(Believes):
    """Gives more than there is."""

    name: ClassVar[str] = "sums_to_two"

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return two for one cell."""
        ones = np.ones((len(queries), 1), np.int64)
        return CellProbabilities(ones, ones, ones * 2.0)


class SaysTooLittle(SumsToTwo):
    """Leaves out the last query."""

    name: ClassVar[str] = "says_too_little"

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return a row less."""
        ones = np.ones((len(queries) - 1, 1), np.int64)
        return CellProbabilities(ones, ones, ones * 0.5)


class Breaks(SumsToTwo):
    """Fails."""

    name: ClassVar[str] = "breaks"

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Divide by nothing."""
        raise ZeroDivisionError("nothing")
