"""What a ranker sees of a user's own places: kernel votes at several widths and the place's past, query by query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.statistics._kernel import Kernel, Votes, gaps, most_voted, proximity, smoothed, smoothed_at
from baselines.statistics._votes import Places
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories

LONG = 1e6
KERNELS = (
    Kernel(0.7, 2.0, 10.0, 30.0),  # the one of kernel_vote, which also picks the candidates
    Kernel(0.7, 1.0, 1.0, LONG),
    Kernel(2.0, 2.0, 10.0, 30.0),
    Kernel(0.5, 1.0, 10.0, 7.0),
    Kernel(1.0, 30.0, 10.0, LONG),
    Kernel(8.0, 1.0, 3.0, 10.0),
)
NAMES = (
    *(f"votes_{i}" for i in range(len(KERNELS))),
    *(f"smooth_{i}" for i in range(len(KERNELS))),
    *("lead", "rank", "share", "share_near", "last_visit", "from_home"),
    *("slot", "off", "weekday", "ahead", "evidence", "places", "points", "gap_before", "gap_after"),
)


@dataclass(frozen=True)
class Candidates:
    """Candidates of each query: x, y of shape (queries, k), features of shape (queries, k, len(NAMES)), float32."""

    x: np.ndarray
    y: np.ndarray
    features: np.ndarray

    @property
    def votes(self) -> np.ndarray:
        """The smoothed votes of kernel_vote's kernel as shares: the expected proximity as far as votes know it."""
        return self.features[:, :, NAMES.index("smooth_0")]

    @property
    def shares(self) -> np.ndarray:
        """Shares of the votes themselves: how likely each candidate is as far as votes know it."""
        return self.features[:, :, NAMES.index("votes_0")]

    @property
    def rows(self) -> np.ndarray:
        """Features of all candidates, shape (queries * k, len(NAMES))."""
        return self.features.reshape(-1, self.features.shape[2])

    @classmethod
    def of(cls, history: Trajectories, queries: Queries, most: int, ctx: Context) -> Candidates:
        """Take for each query of one user the ``most`` places with the most smoothed votes, and describe them."""
        places = Places.of(history)
        near = proximity(places, ctx.grid)
        votes = Votes(history, places, ctx.calendar, ctx.grid.slots)
        raw = votes.all(queries, KERNELS)
        raw /= raw.sum(axis=1, keepdims=True)
        chosen = most_voted(raw[:, :, 0], near, most)
        by_query = [*np.take_along_axis(raw, chosen[:, :, None], axis=1).transpose(2, 0, 1)]
        by_query += [smoothed_at(chosen, raw[:, :, i], near) for i in range(len(KERNELS))]
        main = by_query[len(KERNELS)]
        by_query += [main / main[:, :1], np.broadcast_to(np.arange(chosen.shape[1]), chosen.shape)]
        by_place = [column[chosen] for column in _of_places(history, places, near, ctx)]
        alone = [
            np.broadcast_to(column[:, None], chosen.shape) for column in _of_queries(history, queries, places, ctx)
        ]
        features = np.stack([*by_query, *by_place, *alone], axis=2).astype(np.float32)
        return cls(places.x[chosen], places.y[chosen], features)


def _of_places(history: Trajectories, places: Places, near: np.ndarray, ctx: Context) -> list[np.ndarray]:
    """Describe each place: its share of the history, with its neighbours', days since the last visit, way from home."""
    counts = np.bincount(places.row)
    share = counts / len(history)
    last = np.zeros(len(places))
    elapsed = ctx.calendar.elapsed(history.d)
    np.maximum.at(last, places.row, elapsed)
    home = counts.argmax()
    from_home = np.hypot(places.x - places.x[home], places.y - places.y[home]) * ctx.grid.half_kms
    return [share, smoothed(share[None], near)[0], elapsed[-1] - last, from_home]


def _of_queries(history: Trajectories, queries: Queries, places: Places, ctx: Context) -> list[np.ndarray]:
    """Describe each query: when it is, how much is known of that hour, how full its day is; times in half-hours.

    Days ahead are counted as the data count them: no fit has seen what lies beyond a break.
    """
    off = ctx.calendar.is_off(queries.d)
    step = ctx.grid.slots
    known = np.bincount(ctx.calendar.is_off(history.d) * step + history.t, minlength=2 * step)
    before, after = gaps(queries, step, ctx.calendar) * ctx.grid.half_hours
    _days, day, points = np.unique(queries.d, return_inverse=True, return_counts=True)
    ahead = queries.d - history.d[-1]
    evidence = known[off * step + queries.t]
    return [
        *(queries.t * ctx.grid.half_hours, off, ctx.calendar.weekday(queries.d), ahead, evidence),
        *(np.full(len(queries), len(places)), points[day], before, after),
    ]
