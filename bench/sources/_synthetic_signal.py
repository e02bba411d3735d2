"""What a phone shows of a synthetic life: bursts and gaps, neighbouring cells, empty days."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from bench.sources._synthetic_life import (
    AT_HOME,
    HOME,
    MOST_PLACES,
    OTHER,
    SLOTS,
    WORK,
    Habits,
    Person,
    choose,
    discover,
    draw_person,
    free_day,
    settle,
    working_day,
)
from bench.sources._synthetic_random import direction, lognormal, normal, stream, uniform

# how much phones are used, by slot from midnight, relative to the mean of the day
PROFILE = np.array(
    [0.40, 0.40, 0.40, 0.38, 0.36, 0.36, 0.36, 0.36, 0.38, 0.40, 0.45, 0.52, 0.68, 0.90, 1.10, 1.30]
    + [1.40, 1.40, 1.35, 1.35, 1.38, 1.40, 1.42, 1.45, 1.50, 1.44, 1.42, 1.40, 1.40, 1.40, 1.40, 1.40]
    + [1.42, 1.42, 1.45, 1.45, 1.42, 1.30, 1.18, 1.02, 0.92, 0.84, 0.80, 0.75, 0.70, 0.60, 0.55, 0.48]
)


@njit(cache=True, parallel=True)
def simulate(seed, city, first, users, off, homes, pull, h):  # type: ignore[no-untyped-def]
    """Simulate users first..first + users - 1; return int16 x and y of shape (users, days, 48), 0 where unseen."""
    days = len(off)
    x = np.zeros((users, days, SLOTS), np.int16)
    y = np.zeros((users, days, SLOTS), np.int16)
    for i in prange(users):
        live(stream(seed, city, first + i), off, homes, pull, h, x[i], y[i])
    return x, y


@njit(cache=True)
def live(state, off, homes, pull, h, x, y):  # type: ignore[no-untyped-def]
    """Fill x and y, of shape (days, 48), with one person's days."""
    person = draw_person(state, h)
    places = np.zeros((MOST_PLACES, 4))  # x, y, visits, bend of the way there
    for i in range(MOST_PLACES):
        places[i, 3] = uniform(state) - 0.5
    count = move_in(state, places, person, homes, pull, h)
    where, track = np.zeros(SLOTS, np.int64), np.zeros((SLOTS, 2))
    job = int(uniform(state) * len(off) / h.upheaval) if h.upheaval > 0 else len(off)
    away = 0
    for day in range(len(off)):
        if day == job:
            change(state, places, pull, h)
        where[:] = HOME
        works = not off[day] and person.kind != AT_HOME and uniform(state) >= h.skip
        if works:
            count = working_day(state, track, where, places, count, person, pull, h)
        else:
            count = free_day(state, track, where, places, count, person, pull, h)
        places[OTHER:count, 2] *= 1.0 - h.forget
        observe(state, where, track, places, person, off[day], h, x[day], y[day])


@njit(cache=True)
def move_in(state, places, person, homes, pull, h):  # type: ignore[no-untyped-def]
    """Draw home, work and the regular places; return how many places there are."""
    places[HOME, 0], places[HOME, 1] = settle(state, homes, pull.shape[1])
    reach = lognormal(state, h.commute, h.commute_spread)
    places[WORK, 0], places[WORK, 1] = discover(state, places[HOME, 0], places[HOME, 1], pull, reach, h.farthest)
    regular = max(1, int(lognormal(state, h.known, 0.5)))
    count = min(OTHER + regular, MOST_PLACES // 2)
    for i in range(OTHER, count):
        base = WORK if person.kind != AT_HOME and uniform(state) < 0.4 else HOME
        spot = discover(state, places[base, 0], places[base, 1], pull, h.errand, h.farthest)
        places[i, 0], places[i, 1] = spot
        places[i, 2] = h.loyalty / (1.0 + h.zipf * (i - OTHER))
    return count


@njit(cache=True)
def change(state, places, pull, h):  # type: ignore[no-untyped-def]
    """A new workplace (two in three) or a new home: the routine of a life changes from here on."""
    what, base = (WORK, HOME) if uniform(state) < 0.67 else (HOME, WORK)
    x, y = discover(state, places[base, 0], places[base, 1], pull, h.commute, h.farthest)
    places[what, 0], places[what, 1] = x, y


@njit(cache=True)
def observe(state, where, track, places, person, off, h, x, y):  # type: ignore[no-untyped-def]
    """Write the cells (from 1) that the phone shows on one day; 0 where it shows none."""
    if uniform(state) < h.absent:
        return
    rate = person.rate * lognormal(state, 1.0, h.day_spread) * (0.9 if off else 1.05)
    seen = False
    for t in range(SLOTS):
        p = min(0.97, rate * PROFILE[t])
        if where[t] < 0:
            p += h.moving_boost * (1.0 - p)
        p = p + h.sticky * (1.0 - p) if seen else p * (1.0 - h.sticky)
        seen = uniform(state) < p
        if seen:
            px, py = show(state, where[t], track[t], places, person, h)
            x[t] = min(max(int(px) + 1, 1), 200)
            y[t] = min(max(int(py) + 1, 1), 200)


@njit(cache=True)
def show(state, place, on_way, places, person, h):  # type: ignore[no-untyped-def]
    """Return the position that the phone gives: off by its error, or by a walk around the place."""
    px, py = (on_way[0], on_way[1]) if place < 0 else (places[place, 0], places[place, 1])
    if uniform(state) < h.wander:
        ux, uy = direction(state)
        reach = h.wander_reach * (uniform(state) + uniform(state))
        return px + reach * ux, py + reach * uy
    return px + person.jitter * normal(state), py + person.jitter * normal(state)
