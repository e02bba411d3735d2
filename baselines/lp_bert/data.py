"""From trajectories to batches: a window of days, a mask, tokens, users of similar length together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from baselines.lp_bert.model import CELLS, GAPS, MASK, Batch
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories, by_user
from bench.data.world import HALF_HOURS, Grid


@dataclass(frozen=True)
class Person:
    """One user's rows in time order, int64; t counts half-hours, whatever the slots; city: the number of its embedding;
    size: width and height of the grid.
    """

    d: np.ndarray
    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    city: int = 0
    size: tuple[int, int] = (CELLS, CELLS)

    def rows(self, keep: np.ndarray) -> Person:
        """Return the chosen rows."""
        return Person(self.d[keep], self.t[keep], self.x[keep], self.y[keep], self.city, self.size)


@dataclass(frozen=True)
class Example:
    """A person and which rows are hidden from the model."""

    person: Person
    hidden: np.ndarray

    def tokens(self) -> np.ndarray:
        """Return int64 (5, rows): day and slot from 1, x and y or MASK, half-hours since the last row (at most 47)."""
        p = self.person
        gap = np.minimum(np.diff(p.d * HALF_HOURS + p.t, prepend=p.d[:1] * HALF_HOURS + p.t[:1]), GAPS - 1)
        cells = [np.where(self.hidden, MASK, axis) for axis in (p.x, p.y)]
        return np.stack([p.d + 1, p.t + 1, *cells, gap])


def people(table: Trajectories, cities: Sequence[str] = (), ctx: Context | None = None) -> list[Person]:
    """Return the users of a table, in its order.

    cities: those that have an embedding, by number; ctx: knows their grids (HuMob's where None).
    """
    number, ctx = {name: i for i, name in enumerate(cities)}, ctx or Context()
    columns = {name: getattr(table, name).astype(np.int64) for name in "dtxy"}
    bounds = zip(table.users, table.starts[:-1], table.starts[1:], strict=True)
    found = []
    for (city, _uid), a, b in bounds:
        d, t, x, y = (column[a:b] for column in columns.values())
        grid = ctx.at(city).grid
        found.append(Person(d, _half_hours(t, grid), x, y, number.get(city, 0), (grid.width, grid.height)))
    return found


def _half_hours(t: np.ndarray, grid: Grid) -> np.ndarray:
    return t * HALF_HOURS // grid.slots


def hide_days(person: Person, rng: np.random.Generator, history: int, horizon: int, at_end: float = 0.0) -> Example:
    """Hide ``horizon`` consecutive days of a window of ``history + horizon`` days, both at random.

    Where the window spans all the person's days this is the published mask. at_end: share of masks that lie at the end
    of the window, as in the test. A window holds at least two rows, one of them seen and one hidden, where possible.
    """
    first, last = int(person.d[0]), int(person.d[-1])
    for _ in range(8):
        begin = first + int(rng.integers(max(1, last - first + 2 - history - horizon)))
        window = person.rows((person.d >= begin) & (person.d < begin + history + horizon))
        room = min(history, last - begin + 1 - horizon)
        start = begin + (room if rng.random() < at_end else int(rng.integers(max(1, room + 1))))
        hidden = (window.d >= start) & (window.d < start + horizon)
        if hidden.any() and not hidden.all():
            return Example(window, hidden)
    return Example(person, np.arange(len(person.d)) >= len(person.d) // 2)


def hide_once(person: Person, rng: np.random.Generator, horizon: int) -> Example | None:
    """Hide ``horizon`` consecutive days of a person that begin with a day with records, as the public code does.

    Return None where the person's days are fewer.
    """
    days = np.unique(person.d)
    starts = days[days <= days[-1] - (horizon - 1)]
    if not len(starts):
        return None
    start = rng.choice(starts)
    return Example(person, (person.d >= start) & (person.d < start + horizon))


def questions(
    history: Trajectories, queries: Queries, cities: Sequence[str] = (), ctx: Context | None = None
) -> list[Example]:
    """Return one example per user with queries: the history's rows and the queried ones in time order, these hidden.

    cities, ctx: as for :func:`people`.
    """
    number, ctx = {name: i for i, name in enumerate(cities)}, ctx or Context()
    examples = []
    for (city, _uid), past, asked in by_user(history, queries):
        d, t = (np.concatenate([getattr(past, k), getattr(asked, k)]).astype(np.int64) for k in "dt")
        x, y = (np.concatenate([getattr(past, k), np.ones(len(asked), np.int16)]).astype(np.int64) for k in "xy")
        grid = ctx.at(city).grid
        order = np.argsort(d * grid.slots + t, kind="stable")
        d, t, x, y = d[order], _half_hours(t[order], grid), x[order], y[order]
        hidden = (np.arange(len(d)) >= len(past))[order]
        examples.append(Example(Person(d, t, x, y, number.get(city, 0), (grid.width, grid.height)), hidden))
    return examples


def pack(examples: Sequence[Example]) -> Batch:
    """Put examples one behind the other."""
    tokens = np.concatenate([example.tokens() for example in examples], axis=1)
    hidden = np.concatenate([example.hidden for example in examples])
    asks = [int(example.hidden.sum()) for example in examples]
    labels = np.concatenate([np.stack([e.person.x, e.person.y], axis=1)[e.hidden] for e in examples]) - 1
    return Batch(
        tokens=torch.from_numpy(tokens),
        asked=torch.from_numpy(np.flatnonzero(hidden)),
        lengths=tuple(len(example.hidden) for example in examples),
        asks=tuple(asks),
        city=torch.from_numpy(np.repeat([example.person.city for example in examples], asks)),
        labels=torch.from_numpy(labels),
    )
