"""The places of a synthetic person: home, work, regular ones, and those found later.

Exploration and preferential return after Song et al. 2010, "Modelling the scaling properties of human mobility": a new
place with probability rho * S**-gamma when S are known, else a known one in proportion to past visits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bench.data.sources.synthetic.habits import AT_HOME, SLOTS, Habits, Person
from bench.data.sources.synthetic.randomness import compiled, direction, heavy_tail, lognormal, uniform

MOST_PLACES = 256
# typed: numba compiles anew for every literal int
HOME: Any = np.int64(0)
WORK: Any = np.int64(1)
OTHER: Any = np.int64(2)
X, Y, VISITS, BEND = 0, 1, 2, 3
DIRECTIONS = 8  # looked at before a new place is taken
# S**-gamma with gamma = 0.21 as in the paper; rounded, so that the last bit of a processor's pow moves nothing
_NOVELTY = np.rint(np.arange(1, MOST_PLACES + 2) ** -0.21 * 2**30) / 2**30


class Life(NamedTuple):
    """One person's state. places: X, Y, VISITS, BEND (of the way there) by place; known: how many, in an array of one;
    where: the place of each slot of the day, or -1 on the way; track: the position on the way.
    """

    state: np.ndarray
    places: np.ndarray
    known: np.ndarray
    where: np.ndarray
    track: np.ndarray


@compiled
def begin_life(state: np.ndarray, person: Person, homes: np.ndarray, pull: np.ndarray, h: Habits) -> Life:
    """Draw home, work and the regular places."""
    places = np.zeros((MOST_PLACES, 4))
    for i in range(MOST_PLACES):
        places[i, BEND] = uniform(state) - 0.5
    places[HOME, X], places[HOME, Y] = settle(state, homes, pull.shape[1])
    reach = lognormal(state, h.commute, h.commute_spread)
    find(state, places, WORK, HOME, pull, reach, h.farthest)
    known = min(OTHER + max(1, int(lognormal(state, h.known, 0.5))), MOST_PLACES // 2)
    for i in range(OTHER, known):
        base = WORK if person.kind != AT_HOME and uniform(state) < 0.4 else HOME
        find(state, places, i, base, pull, h.errand, h.farthest)
        places[i, VISITS] = h.loyalty / (1.0 + h.zipf * (i - OTHER))
    return Life(state, places, np.full(1, known), np.zeros(SLOTS, np.int64), np.zeros((SLOTS, 2)))


@compiled
def settle(state: np.ndarray, homes: np.ndarray, width: int) -> tuple[float, float]:
    """Draw a home from the cumulative weights of the cells."""
    wanted, cell, last = np.int64(uniform(state) * homes[-1]), 0, len(homes) - 1
    while cell < last:  # bisection to the first cell whose cumulative weight is above
        middle = (cell + last) // 2
        if homes[middle] > wanted:
            last = middle
        else:
            cell = middle + 1
    return cell % width + uniform(state), cell // width + uniform(state)


@compiled
def find(
    state: np.ndarray, places: np.ndarray, new: int, base: int, pull: np.ndarray, scale: float, farthest: float
) -> None:
    """Put place ``new`` at a heavy-tailed distance from ``base``, in a direction that draws many people (gravity)."""
    height, width = pull.shape
    places[new, X], places[new, Y] = places[base, X], places[base, Y]
    total = 0.0
    for _ in range(DIRECTIONS):
        r = heavy_tail(state, scale, farthest)
        ux, uy = direction(state)
        x, y = places[base, X] + r * ux, places[base, Y] + r * uy
        if 0.0 <= x < width and 0.0 <= y < height:
            weight = pull[int(y), int(x)]
            total += weight
            if uniform(state) * total < weight:
                places[new, X], places[new, Y] = x, y


@compiled
def distance(places: np.ndarray, a: int, b: int) -> float:
    """Return how far two places are apart, in cells."""
    dx, dy = places[a, X] - places[b, X], places[a, Y] - places[b, Y]
    return np.sqrt(dx * dx + dy * dy)


@compiled
def choose(life: Life, at: int, explore: float, pull: np.ndarray, h: Habits) -> int:
    """Choose where to go from place ``at``: explore or return; count the visit."""
    state, places, known = life.state, life.places, life.known
    if uniform(state) < explore * _NOVELTY[known[0]]:
        new = known[0]
        if new < MOST_PLACES:
            known[0] += 1
        else:
            new = OTHER + int(uniform(state) * (MOST_PLACES - OTHER))
        find(state, places, new, at, pull, h.errand, h.farthest)
        places[new, VISITS] = 1.0
        return new
    picked, total = OTHER, 0.0
    for i in range(OTHER, known[0]):
        if i != at:
            weight = places[i, VISITS] / (1.0 + distance(places, i, at) / h.near)
            total += weight
            if uniform(state) * total < weight:
                picked = i
    places[picked, VISITS] += 1.0
    return picked


@compiled
def forget(life: Life, h: Habits) -> None:
    """Let the memory of visits fade by a day."""
    for i in range(OTHER, life.known[0]):
        life.places[i, VISITS] *= 1.0 - h.forget


@compiled
def start_over(life: Life, pull: np.ndarray, h: Habits) -> None:
    """Change the workplace (two in three) or the home: the routine is another from here on."""
    if uniform(life.state) < 0.67:
        find(life.state, life.places, WORK, HOME, pull, h.commute, h.farthest)
    else:
        find(life.state, life.places, HOME, WORK, pull, h.commute, h.farthest)
