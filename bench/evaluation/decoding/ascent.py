"""The compiled search for the day of highest expected score: n-gram counts in a hash table, coordinate ascent on them.

All counts are whole numbers of samples, so that a step taken back leaves no trace of rounding, and the order of the
samples cannot matter.
"""

from __future__ import annotations

import numba
import numpy as np

from bench.evaluation.metrics.kernels import jit

_FREE = -1
_GAIN = 1e-9  # a change must be worth more than rounding


@numba.njit(inline="always")
def _slot(keys, mask, key):  # type: ignore[no-untyped-def]
    """Return where the key stands in the open-address table, or the free slot where it would."""
    i = ((key * 0x9E3779B97F4A7C1) >> 20) & mask
    while keys[i] != _FREE and keys[i] != key:
        i = (i + 1) & mask
    return i


@numba.njit
def _count_grams(day, orders, cells, keys, mask, held, seen, stamp):  # type: ignore[no-untyped-def]
    """Fill the table with the n-grams of the sampled days.

    day: cells (points, samples). The key of an n-gram's r-th copy is made of its prefix's slot, its last cell and r;
    held[slot] becomes the number of samples that hold at least r copies.
    """
    m, samples = day.shape
    for s in range(samples):
        for j in range(m):
            prefix = 0
            for n in range(min(orders, m - j)):
                first = (prefix * cells + day[j + n, s]) * (m + 1) + 1
                at = _slot(keys, mask, first)
                keys[at] = first
                if stamp[at] != s:
                    stamp[at], seen[at] = s, 0
                seen[at] += 1
                copy = at
                if seen[at] > 1:
                    copy = _slot(keys, mask, first + seen[at] - 1)
                    keys[copy] = first + seen[at] - 1
                held[copy] += 1
                prefix = at + 1


@numba.njit
def _worth(slot, copies, keys, mask, held):  # type: ignore[no-untyped-def]
    """Return how many samples hold at least ``copies`` of the n-gram whose first copy has this slot."""
    if copies == 1:
        return held[slot]
    at = _slot(keys, mask, keys[slot] + copies - 1)
    return held[at] if keys[at] != _FREE else 0


@numba.njit
def _put(answer, i, cells, path, keys, mask, held, have, matched):  # type: ignore[no-untyped-def]
    """Add the answer's n-grams that hold point i; path keeps their slots."""
    m, orders = path.shape
    for j in range(max(0, i - orders + 1), i + 1):
        for n in range(i - j, min(orders, m - j)):
            prefix = path[j, n - 1] + 1 if n else 0
            at = -1
            if n == 0 or prefix > 0:
                key = (prefix * cells + answer[j + n]) * (m + 1) + 1
                at = _slot(keys, mask, key)
                if keys[at] == _FREE:
                    at = -1
            path[j, n] = at
            if at >= 0:
                have[at] += 1
                matched[n] += _worth(at, have[at], keys, mask, held)


@numba.njit
def _take(i, path, keys, mask, held, have, matched):  # type: ignore[no-untyped-def]
    """Take out what :func:`_put` added."""
    m, orders = path.shape
    for j in range(max(0, i - orders + 1), i + 1):
        for n in range(i - j, min(orders, m - j)):
            at = path[j, n]
            if at >= 0:
                matched[n] -= _worth(at, have[at], keys, mask, held)
                have[at] -= 1


@numba.njit
def _lay(answer, cells, path, keys, mask, held, have, matched):  # type: ignore[no-untyped-def]
    """Add all n-grams of a day: those that begin at each point, at once."""
    m, orders = path.shape
    for j in range(m):
        prefix, known = 0, True
        for n in range(min(orders, m - j)):
            at = -1
            if known:
                key = (prefix * cells + answer[j + n]) * (m + 1) + 1
                at = _slot(keys, mask, key)
                known = keys[at] != _FREE
                prefix = at + 1
            path[j, n] = at if known else -1
            if known:
                have[at] += 1
                matched[n] += _worth(at, have[at], keys, mask, held)


@numba.njit
def _clear(path, have, matched):  # type: ignore[no-untyped-def]
    """Forget a day."""
    m, orders = path.shape
    matched[:] = 0
    for j in range(m):
        for n in range(min(orders, m - j)):
            if path[j, n] >= 0:
                have[path[j, n]] = 0


@numba.njit
def _value(matched, m, samples, near_misses):  # type: ignore[no-untyped-def]
    """Return the objective's sum over orders."""
    total = 0.0
    for n in range(min(m, len(near_misses))):
        share = matched[n] / (samples * (m - n))
        total += np.log(near_misses[n] + (1.0 - near_misses[n]) * share)
    return total


@numba.njit
def _distinct(row, cell, count):  # type: ignore[no-untyped-def]
    """List the distinct cells of one point's samples with their counts, most frequent first; return how many."""
    found = 0
    for s in range(len(row)):
        k = 0
        while k < found and cell[k] != row[s]:
            k += 1
        if k == found:
            cell[k], count[k] = row[s], 0
            found += 1
        count[k] += 1
    for k in range(1, found):
        c, times, j = cell[k], count[k], k
        while j > 0 and (count[j - 1] < times or (count[j - 1] == times and cell[j - 1] > c)):
            cell[j], count[j] = cell[j - 1], count[j - 1]
            j -= 1
        cell[j], count[j] = c, times
    return found


@numba.njit
def _points(day, x, y, proximity, distance, decay, choices, counts, found, point):  # type: ignore[no-untyped-def]
    """Fill choices and counts with each point's distinct cells, and point[i, k] with the worth of the k-th of them."""
    m, samples = day.shape
    for i in range(m):
        found[i] = _distinct(day[i], choices[i], counts[i])
        for k in range(found[i]):
            total = 0.0
            for other in range(found[i]):
                dx = x[choices[i, k]] - x[choices[i, other]]
                dy = y[choices[i, k]] - y[choices[i, other]]
                apart = np.sqrt(float(dx * dx + dy * dy))
                total += counts[i, other] * (proximity * np.exp(-decay * apart) - distance * apart)
            point[i, k] = total / (samples * m)


@numba.njit
def _point_worth(answer, choices, found, point):  # type: ignore[no-untyped-def]
    """Return the sum of the worth of a day's points."""
    total = 0.0
    for i in range(len(answer)):
        for k in range(found[i]):
            if choices[i, k] == answer[i]:
                total += point[i, k]
                break
    return total


@numba.njit
def _before(a, b):  # type: ignore[no-untyped-def]
    """Tell whether day a stands before day b in the order of their cells."""
    for i in range(len(a)):
        if a[i] != b[i]:
            return a[i] < b[i]
    return False


@numba.njit
def _rank(pool, worth, starts):  # type: ignore[no-untyped-def]
    """Return the rows of the best distinct days of the pool, best first; equals in the order of their cells."""
    best = np.full(starts, -1)
    for s in range(len(pool)):
        mine, j = s, 0
        while j < starts:
            other = best[j]
            if other < 0:
                best[j] = mine
                break
            if worth[mine] == worth[other] and not _before(pool[mine], pool[other]):
                if not _before(pool[other], pool[mine]):
                    break
            elif worth[mine] >= worth[other]:
                best[j], mine = mine, other
            j += 1
    return best


@numba.njit
def _climb(answer, cells, choices, found, point, sweeps, most, state, near_misses, drawn):  # type: ignore[no-untyped-def]
    """Change the answer, already laid, cell by cell while that is worth something; ``sweeps`` times through at most."""
    path, keys, mask, held, have, matched = state
    m = len(answer)
    for _ in range(sweeps):
        changed = False
        for i in range(m):
            old = answer[i]
            best, best_value = old, _value(matched, m, drawn, near_misses) + _GAIN
            for k in range(found[i]):
                if choices[i, k] == old:
                    best_value += point[i, k]
            _take(i, path, keys, mask, held, have, matched)
            for k in range(min(most, found[i])):
                if choices[i, k] != old:
                    answer[i] = choices[i, k]
                    _put(answer, i, cells, path, keys, mask, held, have, matched)
                    value = _value(matched, m, drawn, near_misses) + point[i, k]
                    _take(i, path, keys, mask, held, have, matched)
                    if value > best_value:
                        best, best_value = choices[i, k], value
            answer[i] = best
            changed = changed or best != old
            _put(answer, i, cells, path, keys, mask, held, have, matched)
        if not changed:
            break


@jit(
    "void(int32[:,::1],int32[::1],int32[::1],int64[::1],float64[::1],float64,float64,float64,int64,int64,int64,int32[::1])"
)
def decode(samples, x, y, days, near_misses, proximity, distance, decay, starts, sweeps, most, out):  # type: ignore[no-untyped-def]
    """Fill out with the best day found for each of the days; see :func:`bench.evaluation.decoding.best_days`.

    samples: cells (queries, samples); days: offsets among the queries; distance: weight of a cell of distance; decay:
    proximity is exp(-decay * cells).
    """
    drawn, cells, orders = samples.shape[1], len(x), len(near_misses)
    for d in range(len(days) - 1):
        day = samples[days[d] : days[d + 1]]
        m = len(day)
        size = 16
        while size < 2 * drawn * m * orders:
            size *= 2
        mask = size - 1
        keys = np.full(size, _FREE)
        held, have = np.zeros(size, np.int32), np.zeros(size, np.int32)
        _count_grams(day, orders, cells, keys, mask, held, np.zeros(size, np.int32), np.full(size, -1, np.int32))
        choices, counts = np.empty((m, drawn), np.int32), np.empty((m, drawn), np.int32)
        found, point = np.empty(m, np.int64), np.empty((m, drawn))
        _points(day, x, y, proximity, distance, decay, choices, counts, found, point)

        pool = np.empty((drawn + 1, m), np.int32)
        pool[:drawn] = day.T
        for i in range(m):
            pool[drawn, i] = choices[i, np.argmax(point[i, : found[i]])]
        path, matched = np.full((m, orders), -1), np.zeros(orders, np.int64)
        state = (path, keys, mask, held, have, matched)
        worth = np.empty(drawn + 1)
        for s in range(drawn + 1):
            _lay(pool[s], cells, path, keys, mask, held, have, matched)
            worth[s] = _value(matched, m, drawn, near_misses) + _point_worth(pool[s], choices, found, point)
            _clear(path, have, matched)

        top = -np.inf
        for s in _rank(pool, worth, starts):
            if s >= 0:
                answer = pool[s].copy()
                _lay(answer, cells, path, keys, mask, held, have, matched)
                _climb(answer, cells, choices, found, point, sweeps, most, state, near_misses, drawn)
                value = _value(matched, m, drawn, near_misses) + _point_worth(answer, choices, found, point)
                if value > top:
                    top = value
                    out[days[d] : days[d + 1]] = answer
                _clear(path, have, matched)
