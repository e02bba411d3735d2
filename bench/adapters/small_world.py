"""A few invented people with routines, enough to run any adapter in a moment. Nothing here comes from real data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bench.adapters.adapter import Context, Split
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid, Window

Table = TypeVar("Table", bound=Queries)

GRID = Grid(width=60, height=40)
WINDOW = Window(history=(0, 20), horizon=(21, 23))


def person(city: str, uid: int, days: int, grid: Grid = GRID) -> Trajectories:
    """Return the days of one person: nights at home, working hours at a second place, evenings and weekends out."""
    rng = np.random.default_rng([uid, *city.encode()])
    size = np.array([grid.width, grid.height])
    home, work, *haunts = rng.integers(1, size + 1, size=(6, 2))
    rows = []
    for day in range(days):
        for slot in np.flatnonzero(rng.random(grid.slots) < 0.5).tolist():
            working = day % 7 not in (0, 6) and 3 / 8 <= slot / grid.slots < 3 / 4
            out = rng.random() < (0.1 if working else 0.3) and slot / grid.slots > 1 / 4
            place = haunts[rng.choice(4, p=[0.5, 0.3, 0.15, 0.05])] if out else (work if working else home)
            rows.append((day, slot, *np.clip(place + rng.choice([-1, 0, 1], 2, p=[0.05, 0.9, 0.05]), 1, size)))
    d, t, x, y = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Trajectories.build((city,), city=np.zeros(len(d)), uid=np.full(len(d), uid), d=d, t=t, x=x, y=y)


def people(city: str, uids: range, days: int, grid: Grid = GRID) -> Trajectories:
    """Return several people of one city."""
    return Trajectories.concat([person(city, uid, days, grid) for uid in uids])


@dataclass(frozen=True)
class SmallWorld:
    """One split, its truth, and two odd test users: one with a single point of history, one with none.

    Training users of city Q have the same uids as test users of city R: a uid alone identifies nobody.
    """

    split: Split
    truth: Trajectories
    grid: Grid
    window: Window
    lonely: tuple[str, int]
    unknown: tuple[str, int]

    @classmethod
    def make(cls, grid: Grid = GRID, window: Window = WINDOW, testers: int = 6, trainers: int = 6) -> SmallWorld:
        """Cut the split. testers: at least three, the odd two among them."""
        days = window.horizon[1] + 1
        trained, everyone = people("Q", range(trainers + 2), days, grid), people("R", range(testers), days, grid)
        test, truth = everyone.days(*window.history), everyone.days(*window.horizon)
        lonely, unknown = everyone.users[-2:]
        single = test.of(lonely).take(slice(0, 1))
        others = test.only([user for user in everyone.users if user not in (lonely, unknown)])
        split = Split(
            train_cities=("Q",),
            test_city="R",
            window=window,
            train=locked(trained.only(trained.users[:trainers])),
            validate=locked(trained.only(trained.users[trainers:])),
            history=locked(Trajectories.concat([others, single])),
            queries=locked(truth.queries()),
        )
        return cls(split, truth, grid, window, lonely, unknown)

    def context(self, **given: object) -> Context:
        """Return a context for this grid and window; ``given`` replaces parts of it."""
        return replace(Context(window=self.window, grid=self.grid), **given)  # type: ignore[arg-type]


def locked(table: Table) -> Table:
    """Return a copy of a table whose columns cannot be written to."""
    copy = table.take(np.arange(len(table)))
    for name in table.columns():
        getattr(copy, name).setflags(write=False)
    return copy
