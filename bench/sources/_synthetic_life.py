"""The days of a synthetic person: places, work, outings, trips between them. Positions in cells, times in slots.

Exploration and preferential return after Song et al. 2010, "Modelling the scaling properties of human mobility": a new
place with probability rho * S**-gamma when S are known, else a known one in proportion to past visits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from bench.sources._synthetic_random import direction, heavy_tail, lognormal, normal, uniform

SLOTS = 48
MOST_PLACES = 256
HOME, WORK, OTHER = 0, 1, 2
WORKER, ROAMER, AT_HOME = 0, 1, 2
# S**-gamma with gamma = 0.21; rounded, so that the last bit of a processor's pow moves nothing
_NOVELTY = np.rint(np.arange(1, MOST_PLACES + 2) ** -0.21 * 2**30) / 2**30


class Habits(NamedTuple):
    """How the people of a city live and how well their phones see it. Distances in cells, times in slots."""

    commute: float = 7.0  # typical distance to work
    commute_spread: float = 0.8
    errand: float = 2.0  # typical distance to a newly explored place
    farthest: float = 120.0
    roamers: float = 0.10  # share of people who work on the road
    at_home: float = 0.20  # share of people without a workplace
    skip: float = 0.08  # share of working days without work
    start: float = 17.0
    start_spread: float = 2.0  # between people
    start_noise: float = 0.5  # from day to day
    hours: float = 18.0
    lunch: float = 0.35
    evening: float = 0.40
    outings: float = 1.3
    chain: float = 0.35  # probability of going on to another place before home
    dwell: float = 2.5
    explore: float = 0.6  # rho
    known: float = 8.0  # regular places at the start
    loyalty: float = 20.0  # visits that they have behind them
    zipf: float = 1.0
    near: float = 15.0  # return prefers places within about this distance
    speed: float = 10.0  # cells a slot on short trips
    speed_gain: float = 0.7
    catch: float = 0.5  # how much likelier a phone speaks on the way
    travel: float = 0.01  # probability a day of leaving for a few days
    upheaval: float = 0.10  # share of people who change job or home within 75 days
    forget: float = 0.004  # a day
    jitter: float = 0.35
    jitter_spread: float = 0.4
    wander: float = 0.12  # share of observations 1-4 cells off the place
    wander_reach: float = 2.5
    points: float = 11.5  # a day
    points_spread: float = 0.35
    day_spread: float = 0.5
    sticky: float = 0.45
    moving_boost: float = 0.35
    absent: float = 0.04


class Person(NamedTuple):
    """What one person draws once."""

    kind: int
    start: float
    hours: float
    lunch: float
    evening: float
    outings: float
    explore: float
    regular: float
    jitter: float
    rate: float


@njit(cache=True)
def draw_person(state: np.ndarray, h: Habits) -> Person:
    """Draw one person's kind and habits."""
    u = uniform(state)
    kind = ROAMER if u < h.roamers else (AT_HOME if u < h.roamers + h.at_home else WORKER)
    return Person(
        kind,
        h.start + h.start_spread * normal(state),
        h.hours + 2.0 * normal(state),
        min(0.95, lognormal(state, h.lunch, 0.6)),
        min(0.95, lognormal(state, h.evening, 0.5)),
        lognormal(state, h.outings, 0.4),
        lognormal(state, h.explore, 0.5),
        lognormal(state, h.start_noise, 0.5),
        lognormal(state, h.jitter, h.jitter_spread),
        lognormal(state, h.points, h.points_spread) / SLOTS,
    )


@njit(cache=True)
def settle(state: np.ndarray, homes: np.ndarray, width: int) -> tuple[float, float]:
    """Draw a home from the cumulative weights; return its position."""
    cell = np.searchsorted(homes, np.int64(uniform(state) * homes[-1]), side="right")
    return cell % width + uniform(state), cell // width + uniform(state)


@njit(cache=True)
def discover(
    state: np.ndarray, x: float, y: float, pull: np.ndarray, scale: float, farthest: float
) -> tuple[float, float]:
    """Draw a place at a heavy-tailed distance from (x, y), in a direction where many are drawn to (gravity)."""
    height, width = pull.shape
    best_x, best_y, total = x, y, 0.0
    for _ in range(8):
        r = heavy_tail(state, scale, farthest)
        ux, uy = direction(state)
        cx, cy = x + r * ux, y + r * uy
        if 0.0 <= cx < width and 0.0 <= cy < height:
            weight = pull[int(cy), int(cx)]
            total += weight
            if uniform(state) * total < weight:
                best_x, best_y = cx, cy
    return best_x, best_y


@njit(cache=True)
def choose(
    state: np.ndarray, places: np.ndarray, count: int, at: int, explore: float, pull: np.ndarray, h: Habits
) -> tuple[int, int]:
    """Choose where to go from place ``at``: explore or return. Gives (place, number of places). Counts the visit."""
    if count <= OTHER or uniform(state) < explore * _NOVELTY[count]:
        new = count if count < MOST_PLACES else OTHER + int(uniform(state) * (MOST_PLACES - OTHER))
        x, y = discover(state, places[at, 0], places[at, 1], pull, h.errand, h.farthest)
        places[new, 0], places[new, 1], places[new, 2] = x, y, 1.0
        return new, min(count + 1, MOST_PLACES)
    picked, total = at, 0.0
    for i in range(OTHER, count):
        if i != at:
            apart = np.sqrt((places[i, 0] - places[at, 0]) ** 2 + (places[i, 1] - places[at, 1]) ** 2)
            weight = places[i, 2] / (1.0 + apart / h.near)
            total += weight
            if uniform(state) * total < weight:
                picked = i
    places[picked, 2] += 1.0
    return picked, count


@njit(cache=True)
def trip_time(places: np.ndarray, a: int, b: int, h: Habits) -> float:
    """Return the slots that the way from a to b takes: longer ways are faster ones."""
    apart = np.sqrt((places[b, 0] - places[a, 0]) ** 2 + (places[b, 1] - places[a, 1]) ** 2)
    return 0.15 + apart / (h.speed + h.speed_gain * apart)


@njit(cache=True)
def go(
    state: np.ndarray, track: np.ndarray, where: np.ndarray, places: np.ndarray, a: int, b: int, leave: float, h: Habits
) -> float:
    """Move from place a to b, leaving at ``leave``; return the arrival. Fills the slots from there to the day's end.

    ``where`` holds the place of each slot or -1 on the way, ``track`` the position on the way. Both ways between two
    places follow the same bend, so that commuters pass the same cells every day.
    """
    arrive = leave + trip_time(places, a, b, h)
    first, last = int(leave), int(arrive)
    if last < SLOTS:
        where[last:] = b
    low, high = min(a, b), max(a, b)
    dx, dy = places[high, 0] - places[low, 0], places[high, 1] - places[low, 1]
    bend = places[low, 3] * 0.6 if high < OTHER else places[high, 3] * 0.6
    mid_x, mid_y = places[low, 0] + dx / 2 - bend * dy, places[low, 1] + dy / 2 + bend * dx
    for slot in range(first, min(last + 1, SLOTS)):
        begin, end = max(leave, float(slot)), min(arrive, slot + 1.0)
        share = end - begin
        if uniform(state) < share + h.catch * (1.0 - share):
            s = (begin + share * uniform(state) - leave) / (arrive - leave)
            if a > b:
                s = 1.0 - s
            p, q, r = (1 - s) * (1 - s), 2 * s * (1 - s), s * s
            where[slot] = -1
            track[slot, 0] = p * places[low, 0] + q * mid_x + r * places[high, 0]
            track[slot, 1] = p * places[low, 1] + q * mid_y + r * places[high, 1]
        elif slot == first and slot < last:
            where[slot] = a
    return arrive


@njit(cache=True)
def outing(state, track, where, places, count, at, leave, until, back, person, pull, h):  # type: ignore[no-untyped-def]
    """Visit one place or several and end at ``back``; return (time, number of places)."""
    now = leave
    while True:
        to, count = choose(state, places, count, at, person.explore, pull, h)
        now = go(state, track, where, places, at, to, now, h)
        at = to
        now += 0.3 + lognormal(state, h.dwell, 0.7)
        if now >= until or uniform(state) >= h.chain:
            break
    return go(state, track, where, places, at, back, now, h), count


@njit(cache=True)
def working_day(state, track, where, places, count, person, pull, h):  # type: ignore[no-untyped-def]
    """Fill a day with work; return the number of places."""
    begin = max(1.0, person.start + person.regular * normal(state))
    end = begin + max(4.0, person.hours + 1.5 * person.regular * normal(state))
    if person.kind == ROAMER:
        _, count = rounds(state, track, where, places, count, begin, end, person, pull, h)
        return count
    now = go(state, track, where, places, HOME, WORK, max(0.0, begin - trip_time(places, HOME, WORK, h)), h)
    if uniform(state) < person.lunch:
        noon = max(now, begin + 6.5 + 0.7 * normal(state))
        now, count = outing(state, track, where, places, count, WORK, noon, noon, WORK, person, pull, h)
    end = max(now + 0.5, end)
    if end >= SLOTS:
        return count
    if uniform(state) < person.evening:
        _, count = outing(state, track, where, places, count, WORK, end, 42.0, HOME, person, pull, h)
    else:
        go(state, track, where, places, WORK, HOME, end, h)
    return count


@njit(cache=True)
def rounds(state, track, where, places, count, begin, end, person, pull, h):  # type: ignore[no-untyped-def]
    """Fill a working day on the road: one place after another, then home; return (time, number of places)."""
    now = go(state, track, where, places, HOME, WORK, begin, h)
    at = WORK
    while now < min(end, 46.0):
        to, count = choose(state, places, count, at, person.explore, pull, h)
        now = go(state, track, where, places, at, to, now + 0.3 + lognormal(state, 1.0, 0.7), h)
        at = to
    return go(state, track, where, places, at, HOME, now + 0.5, h), count


@njit(cache=True)
def free_day(state, track, where, places, count, person, pull, h):  # type: ignore[no-untyped-def]
    """Fill a day without work: some outings from home; return the number of places."""
    now = 14.0 + 6.0 * uniform(state)
    left = person.outings
    while uniform(state) < left and now < 42.0:
        now += 0.5 + lognormal(state, 3.0, 0.8)
        now, count = outing(state, track, where, places, count, HOME, now, 40.0, HOME, person, pull, h)
        left *= 0.6
    return count
