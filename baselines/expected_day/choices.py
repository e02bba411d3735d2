"""What the unary logit sees: each query's candidate places, and their columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from baselines.statistics._kernel import Kernel, Votes, gaps, off_days
from baselines.statistics._votes import Places
from baselines.trees._candidates import KERNELS
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import HALF_HOURS

VOTES = (  # 0.7 * 48 / 48 is less than 0.7 by one bit: the shipped weights were fitted so
    *(replace(kernel, slot_width=kernel.slot_width * 48 / 48) for kernel in KERNELS),
    Kernel(1.0, 2.0, 10.0, 30.0, gap=0.5),
    Kernel(3.0, 1.5, 5.0, 30.0, gap=1.0),
    Kernel(1.5, 1.0, 5.0, 4.0),
    Kernel(100.0, 1.0, 2.0, 20.0, gap=0.7),
)
OCCUPANCY = 3  # votes of whole days: for the places just before and after the slot; if both are one; scaled to 1 a day
KINDS = len(VOTES) + OCCUPANCY
LANES = 16  # room for the kinds of votes: a processor adds sixteen numbers at once
FLOOR = 0.002  # added to every share before its logarithm

SHARES = ("share", "share_near", "share_of_days", "share_last_7", "share_last_15")
LEVELS = ("stays", "from_home", "since_last", "span", "off_share", "a_day", "gap_before", "gap_after")
LOGS = (*(f"votes_{i}" for i in range(KINDS)), *(f"near_{i}" for i in range(KINDS)), *SHARES)
CROSSED = (  # (column, what the query is like): products
    ("votes_0", "soon_before"),
    *((level, soon) for level in ("gap_before", "gap_after") for soon in ("soon_before", "soon_after")),
    *((share, what) for what in ("ahead", "off") for share in ("votes_0", "votes_1", "votes_3", "votes_8", "share")),
    *((share, "evidence") for share in ("votes_0", "votes_1", "share")),
    *((share, "entropy") for share in ("votes_0", "votes_1")),
)
UNARY = (*LOGS, *LEVELS, *(f"{column} x {what}" for column, what in CROSSED))


@dataclass(frozen=True)
class Choices:
    """Candidates of each query of one user, best voted first.

    index: int64 (queries, k), places; columns: float32 (len(UNARY), queries, k); stays: float64 (places,): where a
    further point follows within two hours, how often it is at the same place.
    """

    places: Places
    index: np.ndarray
    columns: np.ndarray
    stays: np.ndarray

    @classmethod
    def of(cls, history: Trajectories, queries: Queries, most: int, ctx: Context) -> Choices:
        """Take for each query of one user the ``most`` places with the most smoothed votes, and describe them."""
        places = Places.of(history)
        apart = distances(places, ctx)
        near = np.exp(np.float32(-0.5) * apart)
        votes = _all_votes(history, queries, places, ctx)
        total = np.ones(len(places), np.float32) @ votes
        votes /= np.maximum(total, np.finfo(np.float32).tiny)[:, None]
        chosen = _best(votes[:, :, 0] @ near, most)

        columns = np.empty((len(UNARY), *chosen.shape), np.float32)
        shares, levels = _of_places(history, places, apart, near, ctx)
        by_query = (votes[np.arange(len(chosen))[:, None], chosen], near[chosen] @ votes)
        for i, values in enumerate(by_query):
            columns[i * KINDS : (i + 1) * KINDS] = values[:, :, :KINDS].transpose(2, 0, 1)
        quantities = _of_queries(history, queries, ctx)
        quantities |= {"evidence": np.log1p(total[:, 0]), "entropy": _entropy(columns[0])}
        columns[: 2 * KINDS] += np.float32(FLOOR)
        np.log(columns[: 2 * KINDS], out=columns[: 2 * KINDS])
        columns[2 * KINDS : len(LOGS)] = np.log(shares + FLOOR).astype(np.float32)[:, chosen]
        columns[len(LOGS) : len(LOGS) + len(LEVELS)] = levels.astype(np.float32)[:, chosen]
        for row, (column, what) in enumerate(CROSSED, len(LOGS) + len(LEVELS)):
            np.multiply(columns[UNARY.index(column)], quantities[what][:, None], out=columns[row], casting="same_kind")
        return cls(places, chosen, columns, levels[LEVELS.index("stays")])


def distances(places: Places, ctx: Context) -> np.ndarray:
    """Return the distances between all places in half kilometres (HuMob's cells), float32 (places, places)."""
    x, y = places.x.astype(np.float32), places.y.astype(np.float32)
    return np.sqrt((x[:, None] - x) ** 2 + (y[:, None] - y) ** 2) * np.float32(ctx.grid.half_kms)


def _best(votes: np.ndarray, most: int) -> np.ndarray:
    """Return the ``most`` places with the most votes, best first: float32 (queries, places) -> int64 (queries, k).

    Of equal votes the first place comes first. It sorts whole numbers, which is fast: the bits of a vote, which are in
    the order of the votes as none is negative, and behind them the place.
    """
    places = votes.shape[1]
    keys = np.ascontiguousarray(votes).view(np.int32).astype(np.int64) << 32 | np.arange(places)[::-1]
    keys.sort(axis=1)
    return places - 1 - (keys[:, ::-1][:, :most] & 0xFFFFFFFF)


def _all_votes(history: Trajectories, queries: Queries, places: Places, ctx: Context) -> np.ndarray:
    """Return votes of all kinds, float32 (queries, places, LANES), each up to a factor of its own; KINDS are used."""
    slots, calendar = ctx.grid.slots, ctx.calendar
    votes = Votes(history, places, calendar, slots).all(queries, VOTES, LANES - len(VOTES), np.float32)
    day, start = np.unique(history.d, return_index=True)
    asked, which = np.unique(queries.d, return_inverse=True)
    alike = np.where(off_days(asked, calendar)[:, None] == off_days(day, calendar), 1.0, 0.1)
    age = calendar.elapsed(day).max() - calendar.elapsed(day)
    alike *= np.where(calendar.weekday(asked)[:, None] == calendar.weekday(day), 2.0, 1.0) * np.exp(-age / 30.0)
    time, row = history.t.astype(np.int64), places.row
    ends = np.append(start, len(history)).astype(np.int64)
    fade = np.exp(-0.5 * np.arange(slots) * HALF_HOURS / slots)
    _occupancy()(queries.t.astype(np.int64), which, alike, ends, time, row, fade, votes, len(VOTES))
    return votes


@cache
def _occupancy() -> Any:
    """Compile the votes of whole days."""
    from numba import njit

    @njit(cache=True, nogil=True)
    def occupancy(asked, which, alike, ends, time, place, fade, votes, first):  # type: ignore[no-untyped-def]
        days = len(ends) - 1
        after = ends[:-1].copy()  # of each day the first record at the slot or later
        last = -1
        for q in range(len(asked)):
            t = asked[q]
            for e in range(days):
                if t < last:
                    after[e] = ends[e]
                while after[e] < ends[e + 1] and time[after[e]] < t:
                    after[e] += 1
                a, w = after[e], alike[which[q], e]
                later = fade[time[a] - t] if a < ends[e + 1] else 0.0
                b = a if later == 1.0 else a - 1  # a record at the slot itself is before and after it
                sooner = fade[t - time[b]] if b >= ends[e] else 0.0
                if sooner > 0.0:
                    votes[q, place[b], first] += w * sooner
                    votes[q, place[b], first + 2] += w * sooner / (sooner + later)
                if later > 0.0:
                    votes[q, place[a], first] += w * later
                    votes[q, place[a], first + 2] += w * later / (sooner + later)
                if sooner > 0.0 and later > 0.0 and place[a] == place[b]:
                    votes[q, place[a], first + 1] += w
            last = t

    return occupancy


def _entropy(shares: np.ndarray) -> np.ndarray:
    """Return the entropy of each query's votes among its candidates, in nats."""
    return -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)


def _of_places(
    history: Trajectories, places: Places, apart: np.ndarray, near: np.ndarray, ctx: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Describe each place: SHARES and LEVELS (as log1p), float64 (columns, places) each."""
    row, d, n = places.row, ctx.calendar.elapsed(history.d), len(places)
    last_day = d.max()
    count = np.bincount(row, minlength=n)
    visits = np.unique(row * (last_day + 1) + d) // (last_day + 1)  # one a place and day
    days = np.bincount(visits, minlength=n)
    share = count / len(row)
    recent = [
        np.bincount(row[d > last_day - span], minlength=n) / max(1, (d > last_day - span).sum()) for span in (7, 15)
    ]
    shares = [share, share @ near, days / len(np.unique(d)), *recent]

    before, after = gaps(history, ctx.grid.slots, ctx.calendar) * ctx.grid.half_hours
    soon = after[:-1] <= 4
    same = soon & (row[1:] == row[:-1])
    stays = (np.bincount(row[:-1][same], minlength=n) + 1) / (np.bincount(row[:-1][soon], minlength=n) + 4)
    home = count.argmax()
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    first[row[::-1]], last[row] = d[::-1], d  # rows are in time order, and the last written stays
    off = np.bincount(row, weights=off_days(history.d, ctx.calendar), minlength=n) / count
    levels = [stays, apart[home], last_day - last, last - first]
    levels += [off, count / days, *(np.bincount(row, weights=gap, minlength=n) / count for gap in (before, after))]
    return np.array(shares), np.log1p(levels)


def _of_queries(history: Trajectories, queries: Queries, ctx: Context) -> dict[str, np.ndarray]:
    """Describe each query: whether points are near before and after it, days ahead / 15, off-day.

    Days ahead are counted as the data count them: no fit has seen what lies beyond a break.
    """
    before, after = gaps(queries, ctx.grid.slots, ctx.calendar) * ctx.grid.half_hours
    return {
        "soon_before": (before <= 2).astype(np.float32),
        "soon_after": (after <= 2).astype(np.float32),
        "ahead": (queries.d - history.d.max()) / 15.0,
        "off": off_days(queries.d, ctx.calendar).astype(np.float32),
    }
