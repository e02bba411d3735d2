"""Adapters that each break one promise of bench/adapters/conformance/."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydantic
from pydantic import Field

from bench.adapters import adapter
from bench.adapters.adapter import Adapter, Context, LearnsFrom
from bench.data.trajectories import Answers, Queries, Trajectories


class Good(Adapter):
    """Answers with the most frequent x and y of the training users: keeps every promise."""

    name: ClassVar[str] = "good"

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        self.cell = (int(np.bincount(train.x).argmax()), int(np.bincount(train.y).argmax()))

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        return Answers.of(*(np.full(len(queries), value) for value in self.cell))

    def save(self, folder: Path) -> None:
        np.save(folder / "cell.npy", self.cell)

    def load(self, folder: Path) -> None:
        self.cell = tuple(np.load(folder / "cell.npy").tolist())


class Company(Good):
    """Looks at the mean of all histories in the call."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        x = int(history.x.mean()) if len(history) else 1
        return Answers.of(np.full(len(queries), x), np.full(len(queries), 1))


class Restless(Good):
    """Draws from numpy's global generator."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        x = np.random.randint(1, 9, len(queries))  # noqa: NPY002
        return Answers.of(x, x)


class Unseeded(Good):
    """Learns something else each time."""

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        self.cell = tuple(np.random.default_rng().integers(1, 30, 2).tolist())


class Forgetful(Good):
    """Saves nothing."""

    def save(self, folder: Path) -> None:
        pass

    def load(self, folder: Path) -> None:
        self.cell = (1, 1)


class Pickles(Good):
    """Saves what runs code when read."""

    def save(self, folder: Path) -> None:
        (folder / "cell.pkl").write_bytes(pickle.dumps(self.cell))

    def load(self, folder: Path) -> None:
        self.cell = pickle.loads((folder / "cell.pkl").read_bytes())


class Scribbles(Good):
    """Writes into the history."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        history.x[:] = 1
        return super().predict(history, queries, ctx)


class Outside(Good):
    """Calls a cell outside the grid ok."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        return Answers.of(np.full(len(queries), ctx.grid.width + 1), np.full(len(queries), 1))


class Short(Good):
    """Leaves a row out."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        return Answers.of(np.ones(len(queries) - 1), np.ones(len(queries) - 1))


class NeedsHistory(Good):
    """Fails on a user without a history."""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        cells = [int(history.of(user).x[0]) for user in queries.users]
        return Answers.of(np.full(len(queries), max(cells, default=1)), np.ones(len(queries)))


class Lax(Good):
    """Accepts any setting."""

    class Settings(adapter.Settings):
        model_config = pydantic.ConfigDict(extra="allow")


class Fussy(Good):
    """Refuses its own settings once they are written out in full."""

    class Settings(adapter.Settings):
        k: int = Field(3, description="how many")

        @pydantic.model_validator(mode="after")
        def _unset(self) -> Fussy.Settings:
            if "k" in self.model_fields_set:
                raise ValueError("k must not be set")
            return self


class Silent(Good):
    """Does not say what its setting does."""

    class Settings(adapter.Settings):
        k: int = 3


class Talks(Good):
    """Gives a list as a fact."""

    def facts(self) -> dict[str, Any]:
        return {"parameters": [1, 2]}


class Hoards(Good):
    """Counts the users of all calls so far."""

    users = 0

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        self.users += len(queries.users)
        return super().predict(history, queries, ctx)

    def usage(self) -> dict[str, float]:
        return {"users": self.users}


class Misnames(Good):
    """Says that prediction looks at a setting there is not."""

    class Settings(adapter.Settings):
        predicts_with = frozenset({"decodng"})


class Shrugs(Good):
    """Skips without a reason."""

    def skip(self, split: adapter.Split) -> str | None:
        return ""


class Sworn(Good):
    """Learns from something unheard of."""

    learns_from: ClassVar[LearnsFrom] = "the stars"  # type: ignore[assignment]


class Counted(Good):
    """Documented, and kept by all checks: a setting with a description."""

    class Settings(adapter.Settings):
        k: int = Field(3, description="a number")
