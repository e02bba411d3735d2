"""Scores by slice: the metrics of a part of a user's points, such as its moves, its new places or one hour.

A slice's score is the metric of those points alone, in their order; what is left out is neither right nor wrong. Slices
of one kind share no point. A metric of whole days (``Metric.whole_days``) is scored by day and by day type only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.data.trajectories import Trajectories
from bench.data.world import Window, World
from bench.evaluation import bootstrap, metrics

OF_DAYS = ("day", "day_type")
KINDS = ("step", "cell", "day", "hour", "day_type")
KEYS = ("kind", "slice")
FEWEST = 10  # users that an interval needs: with fewer, some resamplings hold none of them


@dataclass(frozen=True)
class Slices:
    """One kind of slices: their names, and to which of them each row of the truth belongs (-1: to none)."""

    kind: str
    names: tuple[str, ...]
    codes: np.ndarray


class Mean(NamedTuple):
    """A mean over the users who have points in a slice, with its 95 % interval (None with fewer than ten of them)."""

    users: int
    mean: float
    low: float | None
    high: float | None


def slices_of(truth: Trajectories, history: Trajectories, world: World, window: Window) -> Iterator[Slices]:
    """Yield every kind of slices of the truth's rows.

    step: a point is a move where its cell is not that of the user's point before it, be that in the history, else a
    stay; a user's very first point is neither. cell: visited where the user's history holds the cell, else new. day:
    1 for the first day of the horizon. hour: 0 to 23. day_type: off for weekends and holidays, else workday.
    """
    stays, seen = _against_history(truth, history)
    yield Slices("step", ("stay", "move"), stays)
    yield Slices("cell", ("new", "visited"), seen)
    first, last = window.horizon
    yield Slices("day", tuple(str(day) for day in range(1, last - first + 2)), truth.d.astype(np.int64) - first)
    yield Slices("hour", tuple(map(str, range(24))), truth.t.astype(np.int64) * 24 // world.grid.slots)
    yield Slices("day_type", ("workday", "off"), world.calendar.is_off(truth.d).astype(np.int64))


def score_slices(
    x: np.ndarray, y: np.ndarray, truth: Trajectories, wanted: Sequence[str], kinds: Sequence[Slices], world: World,
    ranked: np.ndarray | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Score every user's slices: columns city, uid, kind, slice, days, points, then one per metric.

    x, y: predicted cells, row by row as the truth stands; ranked: those held likeliest (see Pairs). A slice in which a
    user has no point has no row; a metric of whole days is NaN in slices of parts of days.
    """
    rows, slots = _spread(kinds)
    user = np.repeat(np.arange(len(truth.users)), np.diff(truth.starts))[rows]
    key = user * sum(len(kind.names) for kind in kinds) + slots
    order = np.argsort(key, kind="stable")
    rows, slots, user, key = rows[order], slots[order], user[order], key[order]
    part = truth.take(rows)
    # Each user's slice is scored as a user of its own: one call for all of them.
    alone = Trajectories(part.cities, part.city, key, part.d, part.t, part.x, part.y)
    chosen = None if ranked is None else ranked[rows]
    scored = metrics.score_users(x[rows], y[rows], alone, wanted, world=world, ranked=chosen)
    named = [(kind.kind, name) for kind in kinds for name in kind.names]
    first = alone.starts[:-1]
    scored["uid"] = [truth.users[i][1] for i in user[first]]
    for at, column in enumerate(KEYS):
        scored.insert(2 + at, column, pd.Series([named[slot][at] for slot in slots[first]], dtype="category"))
    whole = [name for name in wanted if metrics.get(name).whole_days]
    scored.loc[~scored["kind"].isin(OF_DAYS), whole] = np.nan
    return scored


def means(scored: pd.DataFrame, name: str, city: str, uids_a_user: int = 1) -> dict[str, Mean]:
    """Return one metric's mean over users in each slice, by ``kind=slice``.

    scored: as :func:`score_slices` returns, of one city; uids_a_user: see World.
    """
    known = scored[np.isfinite(scored[name])]
    if known.empty:
        return {}
    named = known.assign(key=known["kind"].astype(str) + "=" + known["slice"].astype(str))
    table = named.pivot(index="uid", columns="key", values=name)
    table = table[sorted(table, key=_place)]
    values = table.to_numpy(float)
    users = np.isfinite(values).sum(axis=0)
    lows, highs = _intervals(values, table.index.to_numpy() // uids_a_user, city)
    columns = zip(users, np.nanmean(values, axis=0), lows, highs, strict=True)
    found = (Mean(int(n), float(mean), _or_none(low), _or_none(high)) for n, mean, low, high in columns)
    return dict(zip(table, found, strict=True))


def _place(key: str) -> tuple[int, int, str]:
    """Sort keys by kind, then by number or name."""
    kind, _, name = key.partition("=")
    return KINDS.index(kind), int(name) if name.isdecimal() else 0, name


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _intervals(values: np.ndarray, owners: np.ndarray, city: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of each column's mean; NaN where too few users are known."""
    users = np.array([len(np.unique(owners[column])) for column in np.isfinite(values).T])
    lows, highs = np.full(len(users), np.nan), np.full(len(users), np.nan)
    enough = users >= FEWEST
    if enough.any():
        samples = bootstrap.over_users(values[:, enough], city, owners=owners)
        tail = 50 * (1 - bootstrap.LEVEL)
        centre = np.nanmean(values[:, enough], axis=0)
        # The samples are widened for all users; a slice has fewer.
        all_users = bootstrap.widening(len(np.unique(owners)))
        wider = np.array([bootstrap.widening(int(n)) for n in users[enough]]) / all_users
        found = np.nanpercentile(samples, [tail, 100 - tail], axis=0)
        lows[enough], highs[enough] = centre + wider * (found - centre)
    return lows, highs


def _spread(kinds: Sequence[Slices]) -> tuple[np.ndarray, np.ndarray]:
    """Return each row once for every slice that holds it, beside the slice's number among all."""
    rows, slots, before = [], [], 0
    for kind in kinds:
        inside = np.flatnonzero((kind.codes >= 0) & (kind.codes < len(kind.names)))
        rows.append(inside)
        slots.append(kind.codes[inside] + before)
        before += len(kind.names)
    return np.concatenate(rows), np.concatenate(slots)


def _against_history(truth: Trajectories, history: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """Return row by row 0 for a stay, 1 for a move, -1 for neither; and 1 where the history holds the cell, else 0."""
    step, seen = np.full(len(truth), -1, np.int64), np.zeros(len(truth), np.int64)
    cells, past = _cells(truth), _cells(history)
    where = {
        user: slice(int(a), int(b))
        for user, a, b in zip(history.users, history.starts[:-1], history.starts[1:], strict=True)
    }
    for user, a, b in zip(truth.users, truth.starts[:-1], truth.starts[1:], strict=True):
        known = past[where.get(user, slice(0, 0))]
        seen[a:b] = np.isin(cells[a:b], known)
        before = np.concatenate([known[-1:], cells[a : b - 1]])
        moved = cells[b - len(before) : b] != before
        step[b - len(before) : b] = moved
    return step, seen


def _cells(table: Trajectories) -> np.ndarray:
    return (table.x.astype(np.int64) << 32) + table.y
