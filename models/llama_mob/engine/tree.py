"""Best-first drafts: the numbers that are most likely to be accepted, as a tree (or, with one branch, a chain)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from models.llama_mob.engine.evidence import FloatArray, IntArray, Strengths, depth_of

NUMBERS = 1000
TOKEN, PARENT, SLOT, CELL, BASIS = range(5)  # columns of what is drafted; CELL: of a y, BASIS: chances it comes from
CHILDREN = 100  # of one number at most: a second child must have a chance of 1 / CHILDREN after its parent


@dataclass(frozen=True)
class Tree:
    """Drafted numbers, each after its parent; siblings are alternatives for the same slot.

    tokens: the numbers, (nodes,). parents: index of the number before, -1 for the first slot's, always smaller than the
    node's own index. slots: which slot of the answer each one fills (2i: x of query i, 2i + 1: its y).
    """

    tokens: IntArray
    parents: IntArray
    slots: IntArray

    def __len__(self) -> int:
        return len(self.tokens)


@njit(cache=True, nogil=True)
def likely(cells: IntArray, i: int, strength: Strengths, power: float, out: FloatArray) -> None:
    """Write into ``out`` (cells,) how likely each cell is for row ``i``, given the cells of all rows before."""
    out[:] = 0.0
    for j in range(i):
        out[cells[j]] += strength[j, depth_of(cells, j, i)]
    top = out.max()
    if top <= 0.0:
        return
    total = 0.0
    for c in range(len(out)):
        share = out[c] / top
        out[c] = share**power if share > 1e-6 else 0.0
        total += out[c]
    out /= total


@njit(cache=True, nogil=True)
def nearest(x: int, xs: IntArray, chances: FloatArray) -> int:
    """Return the x closest to the given one among the cells that have a chance."""
    best = -NUMBERS
    for c in range(len(chances)):
        if chances[c] > 0.0 and abs(xs[c] - x) < abs(best - x):
            best = xs[c]
    return best


@njit(cache=True, nogil=True)
def shares(xs: IntArray, ys: IntArray, x: int, chances: FloatArray, out: FloatArray) -> None:
    """Write into ``out`` (NUMBERS,) the chance of each x, or of each y after ``x`` where that is not -1."""
    out[:] = 0.0
    total = 0.0
    column = x if x < 0 else nearest(x, xs, chances)
    for c in range(len(chances)):
        if x < 0 or xs[c] == column:
            out[xs[c] if x < 0 else ys[c]] += chances[c]
            total += chances[c]
    if total > 0.0:
        out /= total


@njit(cache=True, nogil=True)
def enqueue(
    share: FloatArray,
    branches: bool,
    node: int,
    basis: int,
    chance: float,
    queue: IntArray,
    joint: FloatArray,
    size: int,
) -> int:
    """Add the likely children of a node to the queue of (token, parent, basis); return its new length."""
    best = share.argmax()
    for number in range(NUMBERS):
        if share[number] > 0.0 and (number == best or (branches and share[number] > 1.0 / CHILDREN)):
            queue[size, TOKEN], queue[size, PARENT], queue[size, BASIS] = number, node, basis
            joint[size] = chance * share[number]
            size += 1
    return size


@njit(cache=True, nogil=True)
def retrace(drafted: IntArray, node: int, history: int, cells: IntArray) -> None:
    """Write the cells on the path to a node into their rows."""
    while node >= 0:
        if drafted[node, CELL] >= 0:
            cells[history + drafted[node, SLOT] // 2] = drafted[node, CELL]
        node = drafted[node, PARENT]


@njit(cache=True, nogil=True)
def code_of(x: int, y: int, xs: IntArray, ys: IntArray, count: int) -> int:
    """Return the code of a cell; a new one takes the place after the last, ``count``."""
    for c in range(count):
        if xs[c] == x and ys[c] == y:
            return c
    xs[count], ys[count] = x, y
    return count


@njit(cache=True, nogil=True)
def grow(
    cells: IntArray,
    history: int,
    at: int,
    given: int,
    xs: IntArray,
    ys: IntArray,
    count: int,
    strength: Strengths,
    power: float,
    nodes: int,
    branches: bool,
    threshold: float,
) -> IntArray:
    """Return the likeliest numbers from slot ``at`` on, best first: (at most ``nodes``, 5), see TOKEN to BASIS.

    cells: cell of every row, (history + queries,), right for all that is known; later ones are written over.
    given: x of the query ``at // 2`` where ``at`` is its y, else -1. xs, ys: coordinates of cells, ``count`` of them,
    with room for ``nodes`` more that only the draft knows. strength: (queries, rows, depths). branches: whether a
    number may have more than one child. threshold: no number whose joint chance is lower.
    """
    drafted = np.empty((nodes, 5), np.int64)
    chances = np.empty((nodes + 1, count + nodes))  # of every cell at a query, one row for each path that leads to it
    share = np.empty(NUMBERS)
    queue, joint, waiting = np.empty((nodes * CHILDREN, 5), np.int64), np.empty(nodes * CHILDREN), 0
    node, slot, chance, basis, used, x = -1, at, 1.0, 0, 0, given
    for size in range(nodes):
        if slot < 2 * len(strength):
            if slot % 2 == 0 or node < 0:
                retrace(drafted, node, history, cells)
                basis, used = used, used + 1
                likely(cells, history + slot // 2, strength[slot // 2], power, chances[basis])
            shares(xs, ys, x, chances[basis], share)
            waiting = enqueue(share, branches, node, basis, chance, queue, joint, waiting)
        pick = joint[:waiting].argmax() if waiting else -1
        if waiting == 0 or joint[pick] < threshold:
            return drafted[:size]
        node, chance = size, joint[pick]
        drafted[node] = queue[pick]
        waiting -= 1
        queue[pick], joint[pick] = queue[waiting], joint[waiting]
        parent, token, basis = drafted[node, PARENT], drafted[node, TOKEN], drafted[node, BASIS]
        slot = at if parent < 0 else drafted[parent, SLOT] + 1
        drafted[node, SLOT], drafted[node, CELL], x = slot, -1, token
        if slot % 2 == 1:
            before = given if parent < 0 else drafted[parent, TOKEN]
            drafted[node, CELL] = code_of(before, token, xs, ys, count)
            count, x = max(count, drafted[node, CELL] + 1), -1
        slot += 1
    return drafted
