"""The days of a synthetic person: work, outings, rounds, and the ways between places. Times in slots from midnight."""

from __future__ import annotations

import numpy as np

from bench.data.sources.synthetic.habits import ROAMER, SLOTS, Habits, Person
from bench.data.sources.synthetic.places import BEND, HOME, OTHER, WORK, Life, X, Y, choose, distance
from bench.data.sources.synthetic.randomness import compiled, lognormal, normal, uniform

ON_THE_WAY = -1
LATE = 42.0  # nobody sets out for another place after nine in the evening


@compiled
def working_day(life: Life, person: Person, club: bool, pull: np.ndarray, h: Habits) -> None:
    """Fill a day with work, perhaps lunch elsewhere, perhaps an evening out."""
    state, places = life.state, life.places
    begin = max(1.0, person.start + person.irregular * normal(state))
    end = begin + max(4.0, person.hours + 1.5 * person.irregular * normal(state))
    if person.kind == ROAMER:
        rounds(life, begin, end, person, pull, h)
        return
    now = go(life, HOME, WORK, max(0.0, begin - way(places, HOME, WORK, h)), h)
    if uniform(state) < person.lunch:
        noon = max(now, begin + 6.5 + 0.7 * normal(state))
        now = outing(life, WORK, WORK, noon, noon, False, person, pull, h)
    end = max(now + 0.5, end)
    if club or uniform(state) < person.evening:
        outing(life, WORK, HOME, end, LATE, club, person, pull, h)
    else:
        go(life, WORK, HOME, end, h)


@compiled
def rounds(life: Life, begin: float, end: float, person: Person, pull: np.ndarray, h: Habits) -> None:
    """Fill a working day on the road: one place after another."""
    now, at = go(life, HOME, WORK, begin, h), WORK
    while now < min(end, LATE):
        to = choose(life, at, person.explore, pull, h)
        now = go(life, at, to, now + 0.3 + lognormal(life.state, 1.0, 0.7), h)
        at = to
    go(life, at, HOME, now + 0.5, h)


@compiled
def free_day(life: Life, person: Person, club: bool, pull: np.ndarray, h: Habits) -> None:
    """Fill a day without work: outings from home, each less likely than the one before."""
    now, left = 14.0 + 6.0 * uniform(life.state), person.outings
    while (club or uniform(life.state) < left) and now < LATE:
        now += 0.5 + lognormal(life.state, 3.0, 0.8)
        now = outing(life, HOME, HOME, now, LATE, club, person, pull, h)
        club = False
        left *= 0.6


@compiled
def outing(
    life: Life, a: int, back: int, leave: float, until: float, club: bool, person: Person, pull: np.ndarray, h: Habits
) -> float:
    """Go from place ``a`` to one place or several and end at ``back``; return the time of being there."""
    at, now = a, leave
    while True:
        to = OTHER if club and at == a else choose(life, at, person.explore, pull, h)
        now = go(life, at, to, now, h) + 0.3 + lognormal(life.state, h.dwell, 0.7)
        at = to
        if now >= until or uniform(life.state) >= h.chain:
            return go(life, at, back, now, h)


@compiled
def way(places: np.ndarray, a: int, b: int, h: Habits) -> float:
    """Return how long the way from a to b takes: longer ways are faster ones."""
    apart = distance(places, a, b)
    return 0.15 + apart / (h.speed + h.speed_gain * apart)


@compiled
def go(life: Life, a: int, b: int, leave: float, h: Habits) -> float:
    """Move from place a to b, fill the slots from there to the end of the day, return the arrival.

    Both ways between two places follow one bend, so that a commuter passes the same cells every day.
    """
    state, where = life.state, life.where
    arrive = leave + way(life.places, a, b, h)
    first, last = int(leave), int(arrive)
    for slot in range(last, SLOTS):
        where[slot] = b
    for slot in range(first, min(last + 1, SLOTS)):
        begin, end = max(leave, float(slot)), min(arrive, slot + 1.0)
        share = end - begin
        if uniform(state) < share + h.catch * (1.0 - share):
            moment = begin + share * uniform(state)
            where[slot] = ON_THE_WAY
            _place_on_way(life, a, b, (moment - leave) / (arrive - leave), slot, h)
        elif slot < last:
            where[slot] = a
    return arrive


@compiled
def _place_on_way(life: Life, a: int, b: int, s: float, slot: int, h: Habits) -> None:
    """Write the position at the share ``s`` of the way from a to b: the last stop on a Bezier curve with one bend,
    drawn over to the nearest corridor alongside.
    """
    places = life.places
    if a > b:
        a, b, s = b, a, 1.0 - s
    dx, dy = places[b, X] - places[a, X], places[b, Y] - places[a, Y]
    legs = int(np.sqrt(dx * dx + dy * dy) / h.stops) + 1
    s = (int(s * legs) + 0.5) / legs
    bend = 1.2 * s * (1.0 - s) * (places[a, BEND] if b < OTHER else places[b, BEND])
    x, y = places[a, X] + s * dx - bend * dy, places[a, Y] + s * dy + bend * dx
    if legs > 2:
        if abs(dx) > abs(dy):
            y = (np.floor(y / h.corridor) + 0.5) * h.corridor
        else:
            x = (np.floor(x / h.corridor) + 0.5) * h.corridor
    life.track[slot, 0], life.track[slot, 1] = x, y
