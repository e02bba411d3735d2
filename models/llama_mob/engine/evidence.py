"""What earlier rows say of the next answer: each one votes for its own cell, with a strength learned from features.

A row's strength is exp(sum of learned log-strengths), looked up by how well it matches the query: do the cells before
it match the cells before the query (``depth``: none, the last one, two, three), how far apart are the slots, is it an
answer of the same day, of days before, or history, does the kind of day match, does the time since the row before
match. Own earlier transitions, own earlier slots, history transitions, history at the slot, and staying are all votes
of this kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Strengths = npt.NDArray[np.float32]

SLOTS, WEEK = 48, 7
DAY, SLOT, OFF, GAP = range(4)  # columns of a table of rows
DEPTHS, NEARNESS, ORIGINS, DAY_KINDS, GAP_MATCHES, GAPS, HOURS = 4, 6, 8, 3, 3, 5, 13
SHAPES: dict[str, tuple[int, ...]] = {
    "depth_slot_origin": (DEPTHS, NEARNESS, ORIGINS),
    "depth_gaps": (DEPTHS, GAP_MATCHES, GAPS),
    "day_slot_depth": (DAY_KINDS, NEARNESS, DEPTHS),
    "origin_gap": (ORIGINS, GAPS),
    "day_origin": (DAY_KINDS, ORIGINS),
    "stay_hour": (HOURS,),
}
OFFSETS = np.cumsum([0] + [int(np.prod(shape)) for shape in SHAPES.values()])
SIZE, TABLES = int(OFFSETS[-1]), len(SHAPES)
_O0, _O1, _O2, _O3, _O4, _O5 = (int(o) for o in OFFSETS[:-1])


def table_of(days: IntArray, slots: IntArray, off: npt.NDArray[np.bool_]) -> IntArray:
    """Return what is known of rows before their cells are: (rows, 4) of DAY, SLOT, OFF, GAP (slots since the last)."""
    now = days * SLOTS + slots
    gap = np.diff(now, prepend=now[:1] - SLOTS)
    return np.stack([days, slots, off.astype(np.int64), gap], axis=1).astype(np.int64)


@njit(cache=True, nogil=True)
def nearness(a: int, b: int) -> int:
    """Return the class of the distance of two slots of the day."""
    distance = abs(a - b)
    distance = min(distance, SLOTS - distance)
    if distance < 3:
        return distance
    if distance < 5:
        return 3
    return 4 if distance < 9 else 5


@njit(cache=True, nogil=True)
def gap_class(gap: int) -> int:
    """Return the class of a number of slots between two rows."""
    if gap <= 1:
        return 0
    if gap <= 3:
        return 1
    if gap <= 8:
        return 2
    return 3 if gap <= 20 else 4


@njit(cache=True, nogil=True)
def origin(age: int, before: bool, answered: bool) -> int:
    """Return where a row comes from: the one just before, an answer of 0, 1, 2-6, 7+ days ago, or history."""
    if before:
        return 0
    if answered:
        if age < 2:
            return 1 + age
        return 3 if age < WEEK else 4
    if age <= 14:
        return 5
    return 6 if age <= 30 else 7


@njit(cache=True, nogil=True)
def features(rows: IntArray, j: int, i: int, depth: int, history: int, out: IntArray) -> None:
    """Write into ``out`` the indices of the log-strengths that row ``j`` has for row ``i``; ``history``: its rows."""
    near = nearness(rows[j, SLOT], rows[i, SLOT])
    kind = origin(rows[i, DAY] - rows[j, DAY], j == i - 1, j >= history)
    day = 0
    if rows[j, OFF] == rows[i, OFF]:
        day = 2 if (rows[i, DAY] - rows[j, DAY]) % WEEK == 0 else 1
    here, there = rows[i, GAP], rows[j, GAP]
    match = 2
    if here == there:
        match = 0
    elif 2 * here <= 3 * there and 2 * there <= 3 * here:
        match = 1
    gap = gap_class(here)
    out[0] = _O0 + (depth * NEARNESS + near) * ORIGINS + kind
    out[1] = _O1 + (depth * GAP_MATCHES + match) * GAPS + gap
    out[2] = _O2 + (day * NEARNESS + near) * DEPTHS + depth
    out[3] = _O3 + kind * GAPS + gap
    out[4] = _O4 + day * ORIGINS + kind
    out[5] = _O5 + (rows[i, SLOT] * (HOURS - 1) // SLOTS if kind == 0 else HOURS - 1)


@njit(cache=True, nogil=True)
def strengths(rows: IntArray, i: int, history: int, logs: FloatArray, out: Strengths) -> None:
    """Write exp(sum of log-strengths) of every row before ``i``, at every depth, into ``out`` (rows, DEPTHS)."""
    index = np.empty(TABLES, np.int64)
    for j in range(i):
        for depth in range(DEPTHS):
            features(rows, j, i, depth, history, index)
            total = 0.0
            for k in range(TABLES):
                total += logs[index[k]]
            out[j, depth] = np.exp(total)


@njit(cache=True, nogil=True)
def depth_of(cells: IntArray, j: int, i: int) -> int:
    """Return how many of the (at most three) cells before row ``j`` equal those before row ``i``."""
    depth = 0
    while depth < DEPTHS - 1 and depth < j and cells[j - 1 - depth] == cells[i - 1 - depth]:
        depth += 1
    return depth
