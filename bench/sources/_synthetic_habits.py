"""How the people of a synthetic city live, and what one of them draws once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.sources._synthetic_random import compiled, lognormal, normal, uniform

SLOTS = 48
WORKER, SHIFTS, ROAMER, AT_HOME = 0, 1, 2, 3
NO_CLUB = 7


class Habits(NamedTuple):
    """Parameters of a city's people and phones. Distances in cells, times in slots; spreads are deviations of logs."""

    commute: float = 16.5  # typical distance from home to work, as every person draws it
    commute_spread: float = 0.852
    errand: float = 4.34  # typical distance to a newly explored place
    farthest: float = 154.0
    roamers: float = 0.232  # share of people who work on the road
    shifts: float = 0.212  # share who work on other days than the calendar's
    at_home: float = 0.103  # share without a workplace
    skip: float = 0.102  # share of working days without work
    start: float = 17.0
    start_spread: float = 1.45  # between people (a deviation, in slots)
    irregular: float = 0.64  # from day to day (a deviation, in slots)
    hours: float = 21.4
    lunch: float = 0.0593
    evening: float = 0.35
    outings: float = 0.888  # expected on a free day, about
    outings_spread: float = 0.6
    chain: float = 0.285  # probability of going on to another place before home
    dwell: float = 1.63
    club: float = 0.538  # share of people with a weekly appointment
    explore: float = 0.324  # rho of Song et al.
    explore_spread: float = 0.622
    known: float = 4.81  # regular places at the start
    loyalty: float = 13.8  # visits that the first of them has behind it
    zipf: float = 0.629
    near: float = 71.9  # a return prefers places within about this distance
    speed: float = 9.72  # cells a slot on short ways
    speed_gain: float = 0.233  # ways take at most 1 / speed_gain slots longer than at that speed
    stops: float = 3.12  # between stops, where phones on the way are shown
    corridor: float = 8.6  # between the main roads and lines that ways keep to
    catch: float = 0.406  # how much likelier a phone shows a slot's trip than its stay
    travel: float = 0.0153  # probability a day of leaving town for some days
    upheaval: float = 0.17  # share of people who change job or home within 75 days
    forget: float = 0.0341  # share of the memory of visits lost a day
    jitter: float = 0.287  # error of a position at rest
    jitter_spread: float = 0.329
    road: float = 0.1  # error of a position on the way
    wander: float = 0.0973  # share of positions at rest that are a walk around the place
    stroll: float = 2.06  # reach of such a walk
    points: float = 6.9  # shown a day
    points_spread: float = 0.491
    day_spread: float = 0.473
    sticky: float = 0.452  # how much a slot's being shown depends on the last one's
    moving: float = 0.73  # added chance of being shown on the way
    absent: float = 0.0363  # share of days without any point
    absent_spread: float = 0.84


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
    elif u < h.roamers + h.shifts + h.at_home:
        kind = AT_HOME
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
        lognormal(state, h.outings, h.outings_spread),
        lognormal(state, h.explore, h.explore_spread),
        lognormal(state, h.jitter, h.jitter_spread),
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
