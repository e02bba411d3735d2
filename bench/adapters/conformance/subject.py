"""The adapter under test, in a small world; and how a check reports a broken promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from bench.adapters.adapter import Adapter, Context
from bench.adapters.small_world import SmallWorld, locked
from bench.data.trajectories import OK, Answers, Queries, Trajectories
from bench.evaluation import answers as checks


class Broken(Exception):
    """A promise is broken; says how, in one line."""


def hold(kept: object, broken: str) -> None:
    """Raise Broken unless ``kept`` is true."""
    if not kept:
        raise Broken(broken)


@dataclass
class Subject:
    """An adapter under test: its class, settings, a small world and a folder to write in. Fits are made once."""

    adapter: type[Adapter]
    settings: Mapping[str, Any]
    folder: Path
    world: SmallWorld = field(default_factory=SmallWorld.make)
    _numbers: Any = field(default_factory=count)

    def new(self) -> Adapter:
        """Build an instance that has learned nothing."""
        return self.adapter(self.adapter.Settings(**self.settings))

    def place(self) -> Path:
        """Return a new empty folder."""
        path = self.folder / f"{self.adapter.name}_{next(self._numbers)}"
        path.mkdir(parents=True)
        return path

    def context(self, **given: object) -> Context:
        """Return a context with a folder of its own."""
        return self.world.context(folder=self.place(), **given)

    def fit(self, seed: int = 0) -> Adapter:
        """Fit a new instance on the split, as the runner would."""
        made, split = self.new(), self.world.split
        train = split.train
        if made.learns_from == "test histories":
            train = locked(Trajectories.concat([train, split.history]))
        if made.learns_from != "nothing":
            made.fit(train, split.validate, self.context(seed=seed))
        return made

    @cached_property
    def fitted(self) -> Adapter:
        """A fitted instance that all checks share."""
        return self.fit()

    @cached_property
    def answers(self) -> Answers:
        """Its answers to all queries in one call."""
        return self.ask(self.fitted)

    def ask(self, adapter: Adapter, *users: tuple[str, int]) -> Answers:
        """Ask for the given users (all by default) in one call; the answers are checked and the grid is applied."""
        split = self.world.split
        chosen = users or split.queries.users
        history, queries = locked(split.history.only(chosen)), locked(split.queries.only(chosen))
        given = adapter.predict(history, queries, self.context())
        return checks.check(given, queries, self.world.grid)


def rows_of(queries: Queries, user: tuple[str, int]) -> np.ndarray:
    """Return the rows of one user."""
    i = queries.users.index(user)
    return np.arange(queries.starts[i], queries.starts[i + 1])


def same(given: Answers, reference: Answers, rows: np.ndarray, when: str) -> None:
    """Compare answers with some rows of the reference: status everywhere, cells where they are ok."""
    status = reference.status[rows]
    hold(np.array_equal(given.status, status), f"statuses differ {when}")
    ok = status == OK
    differ = (given.x != reference.x[rows]) | (given.y != reference.y[rows])
    hold(not (differ & ok).any(), f"{int((differ & ok).sum())} of {len(rows)} answers differ {when}")
