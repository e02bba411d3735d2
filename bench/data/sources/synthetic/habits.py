"""How the people of a synthetic city live, and what one of them draws once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.data.sources.synthetic.randomness import compiled, lognormal, normal, uniform

SLOTS = 48
WORKER, SHIFTS, ROAMER, AT_HOME = 0, 1, 2, 3
NO_CLUB = 7


class Habits(NamedTuple):
    """Parameters of a city's people and phones. Distances in cells, times in slots; spreads are deviations of logs."""

    commute: float = 18.5  # typical distance from home to work, as every person draws it
    commute_spread: float = 0.963
    errand: float = 4.95  # typical distance to a newly explored place
    farthest: float = 150.0
    roamers: float = 0.244  # share of people who work on the road
    shifts: float = 0.284  # share who work on other days than the calendar's
    at_home: float = 0.112  # share without a workplace
    homebound: float = 0.037  # share who hardly leave home
    skip: float = 0.02  # share of working days without work
    start: float = 17.0
    start_spread: float = 1.42  # between people (a deviation, in slots)
    irregular: float = 0.708  # from day to day (a deviation, in slots)
    hours: float = 22.0
    lunch: float = 0.0635
    evening: float = 0.342
    outings: float = 1.1  # expected on a free day, about
    outings_spread: float = 0.712
    chain: float = 0.335  # probability of going on to another place before home
    dwell: float = 1.34
    club: float = 0.558  # share of people with a weekly appointment
    explore: float = 0.233  # rho of Song et al.
    explore_spread: float = 0.597
    known: float = 5.05  # regular places at the start
    loyalty: float = 13.7  # visits that the first of them has behind it
    zipf: float = 0.471
    near: float = 80.0  # a return prefers places within about this distance
    speed: float = 9.47  # cells a slot on short ways
    speed_gain: float = 0.369  # ways take at most 1 / speed_gain slots longer than at that speed
    stops: float = 3.01  # between stops, where phones on the way are shown
    corridor: float = 11.3  # between the main roads and lines that ways keep to
    catch: float = 0.421  # how much likelier a phone shows a slot's trip than its stay
    travel: float = 0.0169  # probability a day of leaving town for some days
    upheaval: float = 0.166  # share of people who change job or home within 75 days
    forget: float = 0.0341  # share of the memory of visits lost a day
    jitter: float = 0.26  # error of a position at rest
    jitter_spread: float = 0.34
    road: float = 0.126  # error of a position on the way
    wander: float = 0.0961  # share of positions at rest that are a walk around the place
    stroll: float = 2.05  # reach of such a walk
    points: float = 6.28  # shown a day
    points_spread: float = 0.518
    day_spread: float = 0.549
    home_rate: float = 0.935  # how much likelier a phone at rest is shown at home than elsewhere
    sticky: float = 0.403  # how much a slot's being shown depends on the last one's
    moving: float = 0.812  # added chance of being shown on the way
    absent: float = 0.0409  # share of days without any point
    absent_spread: float = 0.959


class Person(NamedTuple):
    """What one person draws once. rest: bit per d % 7; club: d % 7 of the weekly appointment, or NO_CLUB."""

    kind: int
    rest: int
    club: int
    start: float
    hours: float
    irregular: float
    lunch: float
    evening: float
    outings: float
    explore: float
    jitter: float
    rate: float
    absent: float


@compiled
def draw_person(state: np.ndarray, h: Habits) -> Person:
    """Draw one person's kind and habits."""
    u = uniform(state)
    kind = WORKER
    if u < h.roamers:
        kind = ROAMER
    elif u < h.roamers + h.shifts:
        kind = SHIFTS
    elif u < h.roamers + h.shifts + h.at_home + h.homebound:
        kind = AT_HOME
    homebound = kind == AT_HOME and u >= h.roamers + h.shifts + h.at_home
    rest = (1 << int(7 * uniform(state))) | (1 << int(7 * uniform(state)))
    return Person(
        kind,
        rest,
        int(7 * uniform(state)) if uniform(state) < h.club else NO_CLUB,
        h.start + h.start_spread * normal(state),
        h.hours + 2.0 * normal(state),
        lognormal(state, h.irregular, 0.5),
        min(0.95, lognormal(state, h.lunch, 0.6)),
        min(0.95, lognormal(state, h.evening, 0.5)),
        lognormal(state, h.outings, h.outings_spread) * (0.2 if homebound else 1.0),
        lognormal(state, h.explore, h.explore_spread),
        lognormal(state, h.jitter, h.jitter_spread) * (0.7 if homebound else 1.0),
        lognormal(state, h.points, h.points_spread) / SLOTS,
        min(0.8, lognormal(state, h.absent, h.absent_spread)),
    )


@compiled
def has_work(person: Person, day: int, off: bool) -> bool:
    """Return whether the person works that day: by the calendar, or by own shifts."""
    if person.kind == AT_HOME:
        return False
    if person.kind == SHIFTS:
        return (person.rest >> (day % 7)) & 1 == 0
    return not off
