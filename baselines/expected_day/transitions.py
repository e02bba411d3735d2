"""The transition logit: what speaks for place c after place p at the query before; and how days are drawn by it.

This module imports numba, which is slow: import it within functions.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from baselines.expected_day.choices import Choices, distances
from baselines.expected_day.weights import REACHES, TRANSITIONS
from baselines.statistics._kernel import GAPS, gap_class, gaps, off_days
from baselines.statistics._votes import Places
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories

_PRIORS = (5.0, 5.0, 10.0)  # weight of the places' shares beside the pairs counted within each of REACHES
_CLASSES = len(GAPS) + 1
_SAME, _STAYS, _HOME, _FIRST, _NEAR, _FAR, _SPEED, _NEXT, _TO, _FROM, _INFO, _INFO_FIRST, _HOUR = np.cumsum(
    [0, _CLASSES, 2, 2, 1, 1, _CLASSES, 1, 2, _CLASSES, 1, len(REACHES), 1]
).tolist()
_ACTIVE = 10  # columns that are not zero for one pair, at most
_WIDTH, _FADE, _OTHER = 2.0, 40.0, 1 / 3  # pairs of the hour: half-hours, days to 1/e, weight of the other day type
_FLOOR = 0.1


class Past(NamedTuple):
    """One user's places and transitions. Pairs: points that followed one another within four hours, by their slot."""

    apart: np.ndarray  # distance in half-kilometres, float32 (places, places) as the next two
    near: np.ndarray  # exp(-0.5 apart)
    far: np.ndarray  # log(1 + apart)
    information: np.ndarray  # (reaches, places, places): log of how much likelier c is after p, by pairs within reach
    stays: np.ndarray
    home: int
    source: np.ndarray  # of each pair: first place
    target: np.ndarray  # second place
    off: np.ndarray  # off-day?
    weight: np.ndarray  # by age
    starts: np.ndarray  # offsets of the slots among the pairs
    close: np.ndarray  # weight by distance in slots


class Asked(NamedTuple):
    """One user's queries: slot, gap before (half-hours), its class, the first of its day?, off-day?"""

    slot: np.ndarray
    gap: np.ndarray
    kind: np.ndarray
    first: np.ndarray
    off: np.ndarray


def past(history: Trajectories, places: Places, stays: np.ndarray, ctx: Context) -> Past:
    """Describe one user's transitions; places: those of the history, and behind them any where the user never was."""
    slots, n, row = ctx.grid.slots, len(places), places.row
    gap = gaps(history, slots, ctx.calendar)[1, :-1] * ctx.grid.half_hours
    pairs = np.flatnonzero(gap <= REACHES[1])
    pairs = pairs[np.argsort(history.t[pairs + 1], kind="stable")]
    second, elapsed = pairs + 1, ctx.calendar.elapsed(history.d)
    steps = np.arange(slots) * ctx.grid.half_hours
    apart = distances(places, ctx)
    return Past(
        apart,
        np.exp(np.float32(-0.5) * apart),
        np.log(1 + apart),
        _information(row, gap, n),
        np.append(stays, np.zeros(n - len(stays))),
        int(np.bincount(row).argmax()),
        row[pairs],
        row[second],
        off_days(history.d[second], ctx.calendar),
        np.exp(-(elapsed.max() - elapsed[second]) / _FADE),
        np.searchsorted(history.t[second], np.arange(slots + 1)),
        np.exp(-(steps[steps <= 4 * _WIDTH] ** 2) / (2 * _WIDTH**2)),
    )


def _information(row: np.ndarray, gap: np.ndarray, n: int) -> np.ndarray:
    """Return log P(c after p) - log P(c) from pairs within each reach, shrunk towards 0."""
    share = np.maximum(np.bincount(row, minlength=n) / len(row), 1e-12).astype(np.float32)
    out = np.empty((len(REACHES), n, n), np.float32)
    for i, (reach, prior) in enumerate(zip(REACHES, _PRIORS, strict=True)):
        near = gap <= reach
        counts = np.bincount(row[:-1][near] * n + row[1:][near], minlength=n * n).reshape(n, n).astype(np.float32)
        out[i] = np.log((counts / share + np.float32(prior)) / (counts.sum(axis=1, keepdims=True) + np.float32(prior)))
    return out


def asked(queries: Queries, ctx: Context) -> Asked:
    """Describe one user's queries."""
    slots = ctx.grid.slots
    gap = gaps(queries, slots, ctx.calendar)[0] * ctx.grid.half_hours
    first = np.diff(queries.d, prepend=queries.d[:1] - 1) != 0
    off = off_days(queries.d, ctx.calendar)
    return Asked(queries.t.astype(np.int64), gap, gap_class(queries, slots, ctx.calendar)[:, 0], first, off)


def after_truth(history: Trajectories, truth: Trajectories, choices: Choices, ctx: Context) -> np.ndarray:
    """Return the columns of each candidate after the true cell before it, float32 (len(TRANSITIONS), queries, k)."""
    both = Places.of(Trajectories.concat([history, truth]))  # the history comes first: its places keep their numbers
    out = np.zeros((len(TRANSITIONS), *choices.index.shape), np.float32)
    places = Places(both.x, both.y, choices.places.row)
    _after_truth(
        asked(truth, ctx), past(history, places, choices.stays, ctx), both.row[len(history) :], choices.index, out
    )
    return out


@numba.njit(cache=True, nogil=True)
def _pairs_of_the_hour(now, q, before, here, where, past, out):  # type: ignore[no-untyped-def]
    """Fill out[p, c] with the log share of c after p among the history's pairs about this slot.

    where: int64 (2, places), all -1 and left so: room for each place's number among ``before`` and ``here``.
    """
    out[:] = _FLOOR
    for p in range(len(before)):
        where[0, before[p]] = p
    for c in range(len(here)):
        where[1, here[c]] = c
    slots, reach = len(past.starts) - 1, len(past.close) - 1
    for t in range(max(0, now.slot[q] - reach), min(slots, now.slot[q] + reach + 1)):
        close = past.close[abs(t - now.slot[q])]
        for i in range(past.starts[t], past.starts[t + 1]):
            p, c = where[0, past.source[i]], where[1, past.target[i]]
            if p >= 0 and c >= 0:
                out[p, c] += close * past.weight[i] * (1.0 if past.off[i] == now.off[q] else _OTHER)
    for p in range(len(before)):
        where[0, before[p]] = -1
        total = np.log(out[p].sum())
        for c in range(len(here)):
            out[p, c] = np.log(out[p, c]) - total
    for c in range(len(here)):
        where[1, here[c]] = -1


@numba.njit(cache=True, nogil=True)
def _describe(now, q, p, c, of_hour, past, column, value):  # type: ignore[no-untyped-def]
    """List the non-zero columns of TRANSITIONS for place c after place p, and their values; return how many."""
    kind, gap, home, n = now.kind[q], now.gap[q], past.home, 0
    if p == c:
        late = 0 if gap <= 4 else 1
        column[0], value[0] = _SAME + kind, 1.0
        column[1], value[1] = _STAYS + late, past.stays[c]
        column[2], value[2] = _HOME + late, 1.0 if c == home else 0.0
        column[3], value[3] = _FIRST, 1.0 if now.first[q] else 0.0
        n = 4
    else:
        apart = past.apart[p, c]
        column[0], value[0] = _NEAR, past.near[p, c]
        column[1], value[1] = _FAR + kind, past.far[p, c]
        column[2], value[2] = _SPEED, min(apart / gap, 20.0) / 10.0
        column[3], value[3] = _NEXT + (0 if gap <= 2 else 1), 1.0 if apart < 1.6 else 0.0
        column[4], value[4] = _TO + kind, 1.0 if c == home else 0.0
        column[5], value[5] = _FROM, 1.0 if p == home and gap <= 2 else 0.0
        n = 6
    reach = 0 if gap <= REACHES[0] else (1 if gap <= REACHES[1] else 2)
    information = past.information[reach, p, c]
    column[n], value[n] = _INFO + reach, information
    column[n + 1], value[n + 1] = _INFO_FIRST, information if now.first[q] else 0.0
    column[n + 2], value[n + 2] = _HOUR + (0 if reach == 0 else 1), of_hour
    return n + (3 if reach < 2 else 2)


@numba.njit(cache=True, nogil=True)
def _after_truth(now, past, place, index, out):  # type: ignore[no-untyped-def]
    """Fill out[:, q, k]; place: the true place at each query; index: candidates (queries, k)."""
    where = np.full((2, len(past.apart)), -1)
    of_hour = np.empty((1, index.shape[1]))
    column, value = np.empty(_ACTIVE, np.int64), np.empty(_ACTIVE)
    for q in range(1, len(index)):
        _pairs_of_the_hour(now, q, place[q - 1 : q], index[q], where, past, of_hour)
        for k in range(index.shape[1]):
            for i in range(_describe(now, q, place[q - 1], index[q, k], of_hour[0, k], past, column, value)):
                out[column[i], q, k] = value[i]


@numba.njit(cache=True, nogil=True)
def _score(now, q, before, here, where, past, of_hour, weights, joint):  # type: ignore[no-untyped-def]
    """Fill joint[p, c] with the transition logit of each candidate after each candidate of the query before."""
    column, value = np.empty(_ACTIVE, np.int64), np.empty(_ACTIVE)
    if now.gap[q] <= REACHES[1]:
        _pairs_of_the_hour(now, q, before, here, where, past, of_hour)
    for p in range(len(before)):
        for c in range(len(here)):
            total = 0.0
            for i in range(_describe(now, q, before[p], here[c], of_hour[p, c], past, column, value)):
                total += weights[column[i]] * value[i]
            joint[p, c] = total


@numba.njit(cache=True, nogil=True)
def _cumulate(unary, joint):  # type: ignore[no-untyped-def]
    """Turn logits joint[p, c] + unary[c] into cumulative probabilities, up to a factor of each row's own."""
    for p in range(len(joint)):
        top, total = -np.inf, 0.0
        for c in range(len(unary)):
            joint[p, c] += unary[c]
            top = max(top, joint[p, c])
        for c in range(len(unary)):
            total += np.exp(joint[p, c] - top)
            joint[p, c] = total


@numba.njit(cache=True, nogil=True)
def _gather(drawn, index, number, before, group):  # type: ignore[no-untyped-def]
    """Group the samples by the candidate drawn last: fill group, and before with each one's place; return how many."""
    number[:] = -1
    groups = 0
    for s in range(len(drawn)):
        c = drawn[s]
        if number[c] < 0:
            number[c], before[groups] = groups, index[c]
            groups += 1
        group[s] = number[c]
    return groups


@numba.njit(cache=True, nogil=True)
def walk(now, past, index, unary, weights, offset, order, out):  # type: ignore[no-untyped-def]
    """Draw days: out[q, s] becomes the number of the candidate that sample s holds at query q.

    unary: logits (queries, k); weights: of TRANSITIONS, or none. Samples at the same place form a group, which draws
    systematically: each candidate comes as often as its probability says, rounded up or down. offset: uniform (queries,
    k), one for each group; order: uniform (queries, samples), shuffles the samples.
    """
    queries, k = index.shape
    samples = out.shape[1]
    where = np.full((2, len(past.apart)), -1)
    of_hour, joint = np.zeros((k, k)), np.zeros((k, k))
    turn, group = np.arange(samples), np.zeros(samples, np.int64)  # group: of samples with one distribution
    before, number = np.empty(k, np.int64), np.empty(k, np.int64)
    size, used = np.empty(k, np.int64), np.empty(k, np.int64)
    for q in range(queries):
        groups = 1
        if len(weights) and q > 0:
            groups = _gather(out[q - 1], index[q - 1], number, before, group)
            _score(now, q, before[:groups], index[q], where, past, of_hour, weights, joint)
        else:
            joint[0] = 0.0
        _cumulate(unary[q], joint[:groups])
        size[:], used[:] = 0, 0
        for s in range(samples):
            size[group[s]] += 1
        for i in range(samples - 1, 0, -1):
            j = int(order[q, i] * (i + 1))
            turn[i], turn[j] = turn[j], turn[i]
        for s in turn:
            g = group[s]
            level = (used[g] + offset[q, g]) / size[g] * joint[g, k - 1]
            used[g] += 1
            c = 0
            while c < k - 1 and joint[g, c] <= level:
                c += 1
            out[q, s] = c
