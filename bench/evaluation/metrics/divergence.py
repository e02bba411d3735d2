"""Divergences between predicted and true movement of all users together, after MoveSim.

Feng et al., Learning to Simulate Human Mobility (MoveSim), KDD 2020: the Jensen-Shannon divergence (natural logarithm,
0 to 0.693) between two distributions. A trajectory is a user's day. They say whether people move as people do, and
nothing of who is where when: users whose answers are swapped with each other's are perfect.

Where the authors' code (FIBLAB/MoveSim, evaluations.py) and the paper differ, or the code cannot be used on days with
gaps, the docstring of the distribution says what is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import rel_entr

from bench.evaluation import bootstrap

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix as Counts  # (users, bins): how much each user adds to each bin

    from bench.evaluation.metrics.pairs import Pairs

BIN_KM = 1.0
TOP = 100  # ranks of places
RESAMPLES = 1_000
_BLOCK = 100


class Divergence(NamedTuple):
    """A divergence with its 95 % bootstrap interval over users (None for a single user)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Walk:
    """Predicted or true cells of all users, row by row, with what cuts the rows into days and users."""

    x: np.ndarray
    y: np.ndarray
    pairs: Pairs

    @property
    def user_of_day(self) -> np.ndarray:
        """Each day's user, as a number."""
        return np.repeat(np.arange(len(self.pairs.starts) - 1), self.pairs.days_per_user)

    @property
    def day(self) -> np.ndarray:
        """Each row's day, as a number."""
        return np.repeat(np.arange(self.pairs.days), np.diff(self.pairs.day_starts))

    @property
    def cell(self) -> np.ndarray:
        """Each row's cell, as one number."""
        return (self.x.astype(np.int64) << 16) + self.y


def score(pairs: Pairs) -> dict[str, Divergence]:
    """Return every divergence with its interval over users. Missed points count as what was filled in."""
    said, true = Walk(pairs.x, pairs.y, pairs), Walk(pairs.truth_x, pairs.truth_y, pairs)
    owners = np.array([uid for _, uid in pairs.truth.users]) // pairs.world.uids_a_user
    weights, drawn = _weights(owners, pairs.truth.users[0][0]), len(np.unique(owners))
    return {
        name: _divergence(count(said), count(true), top, weights, drawn) for name, (count, top) in DISTRIBUTIONS.items()
    }


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the divergence between distributions along the last axis, which need not sum to one."""
    p, q = (a / np.maximum(a.sum(axis=-1, keepdims=True), 1e-300) for a in (p, q))
    middle = (p + q) / 2
    return (rel_entr(p, middle).sum(axis=-1) + rel_entr(q, middle).sum(axis=-1)) / 2


def _divergence(said: Counts, true: Counts, top: int | None, weights: np.ndarray, drawn: int) -> Divergence:
    """Return the divergence, and its interval from resampled users: the percentiles, moved by the bootstrap's bias.

    Fewer different users give sparser histograms, and these a larger divergence; without the move, the interval would
    lie above its value.
    """
    width = max(said.shape[1], true.shape[1])
    said, true = (sparse.csr_matrix((m.data, m.indices, m.indptr), shape=(m.shape[0], width)) for m in (said, true))

    def over(counts: np.ndarray) -> np.ndarray:
        both = (np.asarray((matrix.T @ counts.T).T) for matrix in (said, true))
        return jensen_shannon(*(_ranked(sums, top) if top else sums for sums in both))

    value = float(over(np.ones((1, said.shape[0])))[0])
    if drawn < 2:
        return Divergence(value, None, None)
    samples = np.concatenate([over(weights[i : i + _BLOCK]) for i in range(0, len(weights), _BLOCK)])
    low, high = np.percentile(samples, [50 * (1 - bootstrap.LEVEL), 50 * (1 + bootstrap.LEVEL)])
    shift = bootstrap.widening(drawn) * (np.array([low, high]) - samples.mean())
    low, high = np.clip(value + shift, 0.0, np.log(2))
    return Divergence(value, float(low), float(high))


def _ranked(sums: np.ndarray, top: int) -> np.ndarray:
    """Return the largest of each row, falling, so that the place itself does not count."""
    kept = min(top, sums.shape[1])
    largest = -np.sort(-np.partition(sums, sums.shape[1] - kept, axis=1)[:, -kept:], axis=1)
    return np.pad(largest, ((0, 0), (0, top - kept)))


def _weights(owners: np.ndarray, name: str) -> np.ndarray:
    """Return how often each user is drawn in each resampling."""
    return bootstrap.drawn(owners, RESAMPLES, "divergence", name)


def _counts(users: np.ndarray, bins: np.ndarray, number: int, values: np.ndarray | None = None) -> Counts:
    """Sum what users add to bins."""
    values = np.ones(len(users)) if values is None else values
    return sparse.csr_matrix((values, (users, bins)), shape=(number, int(bins.max(initial=0)) + 1))


def distance(walk: Walk) -> Counts:
    """Count the jumps between consecutive points of a day, staying included, by km.

    The authors' code has squared distances in 10,000 bins; few users' distances then hardly share one.
    """
    inside = np.flatnonzero(walk.day[1:] == walk.day[:-1])
    km = np.hypot(np.diff(walk.x)[inside], np.diff(walk.y)[inside]) * walk.pairs.world.grid.cell_km
    return _counts(walk.user_of_day[walk.day[inside]], _by_km(km), len(walk.pairs.starts) - 1)


def gyration(walk: Walk) -> Counts:
    """Count the days by radius of gyration in km: root mean square distance from the day's mean cell."""
    starts, points = walk.pairs.day_starts, np.diff(walk.pairs.day_starts)

    def variance(values: np.ndarray) -> np.ndarray:
        values = values.astype(float)
        mean = np.add.reduceat(values, starts[:-1]) / points
        return np.add.reduceat((values - np.repeat(mean, points)) ** 2, starts[:-1]) / points

    km = np.sqrt(variance(walk.x) + variance(walk.y)) * walk.pairs.world.grid.cell_km
    return _counts(walk.user_of_day, _by_km(km), len(walk.pairs.starts) - 1)


def duration(walk: Walk) -> Counts:
    """Count the stays by their length in timeslots: from the first to the last of consecutive points in one cell.

    A day's last stay counts too; the authors' code drops it, so that a day at one place has no stay.
    """
    new = np.ones(len(walk.x), bool)
    new[1:] = (walk.day[1:] != walk.day[:-1]) | (walk.cell[1:] != walk.cell[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(new)) - 1
    t = walk.pairs.truth.t.astype(np.int64)
    return _counts(walk.user_of_day[walk.day[first]], t[last] - t[first], len(walk.pairs.starts) - 1)


def daily_places(walk: Walk) -> Counts:
    """Count the days by how many different cells they hold."""
    day_cells = np.unique(np.stack([walk.day, walk.cell], axis=1), axis=0)
    places = np.bincount(day_cells[:, 0], minlength=walk.pairs.days)
    return _counts(walk.user_of_day, places, len(walk.pairs.starts) - 1)


def visits(walk: Walk) -> Counts:
    """Count the points by cell; ranked, the shares of the 100 most visited cells of all users.

    As in the paper. The authors' code then bins these shares, nearly all of which fall into one bin.
    """
    _, places = np.unique(walk.cell, return_inverse=True)
    user = walk.user_of_day[walk.day]
    return _counts(user, places.ravel(), len(walk.pairs.starts) - 1)


def own_visits(walk: Walk) -> Counts:
    """Give each user's share of points at the most visited cell, the second and so on to the 100th."""
    user = walk.user_of_day[walk.day]
    pairs, counts = np.unique(np.stack([user, walk.cell], axis=1), axis=0, return_counts=True)
    order = np.lexsort((-counts, pairs[:, 0]))
    owner, counts = pairs[order, 0], counts[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    kept = rank < TOP
    share = counts[kept] / walk.pairs.points_per_user[owner[kept]]
    return _counts(owner[kept], rank[kept], len(walk.pairs.starts) - 1, share)


def _by_km(km: np.ndarray) -> np.ndarray:
    return (km / BIN_KM + 1e-9).astype(np.int64)  # a bin's edge belongs to it, however the distance was rounded


# name: what counts, and how many of the largest counts are compared by rank
DISTRIBUTIONS: dict[str, tuple[Callable[[Walk], Counts], int | None]] = {
    "jsd_distance@v1": (distance, None),
    "jsd_gyration@v1": (gyration, None),
    "jsd_duration@v1": (duration, None),
    "jsd_places@v1": (daily_places, None),
    "jsd_g_rank@v1": (visits, TOP),
    "jsd_i_rank@v1": (own_visits, None),
}
