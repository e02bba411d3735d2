"""What a phone shows of a synthetic life: bursts and gaps, neighbouring cells, empty days."""

from __future__ import annotations

import numpy as np

from bench.data.sources.synthetic.days import free_day, working_day
from bench.data.sources.synthetic.habits import SLOTS, Habits, Person, draw_person, has_work
from bench.data.sources.synthetic.places import HOME, Life, X, Y, begin_life, forget, start_over
from bench.data.sources.synthetic.randomness import cached_njit, compiled, direction, lognormal, normal, stream, uniform

# how much a phone at rest shows, by slot from midnight, relative to the day's mean
NIGHT, DAY, EVENING = (
    [0.60, 0.58, 0.56, 0.56, 0.60, 0.72, 0.95, 1.20],
    [1.40, 1.35, 1.38, 1.43, 1.46, 1.40, 1.40, 1.40],
    [1.42, 1.45, 1.36, 1.10, 0.98, 0.90, 0.80, 0.72],
)
PROFILE = np.repeat([*NIGHT, *DAY, *EVENING], 2)


@cached_njit
def simulate(
    seed: int, city: int, first: int, off: np.ndarray, homes: np.ndarray, pull: np.ndarray, h: Habits,
    grid: tuple[int, int, float], out: np.ndarray,
) -> None:  # fmt: skip
    """Simulate users first, first + 1, ...; out: int16 (users, days, slots, 2), cells from 1, left 0 where unseen.

    grid: width, height, and a cell's side in the half-kilometres that people live in.
    """
    for i in range(out.shape[0]):
        live(stream(seed, city, first + i), off, homes, pull, h, grid, out[i])


@compiled
def live(
    state: np.ndarray, off: np.ndarray, homes: np.ndarray, pull: np.ndarray, h: Habits, grid: tuple[int, int, float],
    out: np.ndarray,
) -> None:  # fmt: skip
    """Fill out, (days, slots, 2), with one person's days."""
    person = draw_person(state, h)
    life = begin_life(state, person, homes, pull, h)
    upheaval = int(uniform(state) * 75.0 / max(h.upheaval, 1e-6))
    away, home_x, home_y = 0, life.places[HOME, X], life.places[HOME, Y]
    for day in range(len(off)):
        if away == 0 and uniform(state) < h.travel:
            away = 1 + int(3.0 * uniform(state))
            home_x, home_y = life.places[HOME, X], life.places[HOME, Y]
            life.places[HOME, X], life.places[HOME, Y] = uniform(state) * pull.shape[1], uniform(state) * pull.shape[0]
        elif day == upheaval and away == 0:
            start_over(life, pull, h)
        for t in range(SLOTS):
            life.where[t] = HOME
        club = day % 7 == person.club and away == 0 and uniform(state) < 0.7
        works = away == 0 and has_work(person, day, off[day]) and uniform(state) >= h.skip
        if works:
            working_day(life, person, club, pull, h)
        else:
            free_day(life, person, club, pull, h)
        forget(life, h)
        observe(life, person, works, h, grid, out[day])
        if away > 0:
            away -= 1
            if away == 0:
                life.places[HOME, X], life.places[HOME, Y] = home_x, home_y


@compiled
def observe(life: Life, person: Person, works: bool, h: Habits, grid: tuple[int, int, float], out: np.ndarray) -> None:
    """Write the cells that the phone shows on one day into out, (slots, 2).

    The person lives in half-hours. Longer slots keep the last of their half-hours that was seen; shorter ones are
    looked at one by one, with as many points a day.
    """
    state = life.state
    if uniform(state) < person.absent:
        return
    steps = max(SLOTS, out.shape[0])
    rate = person.rate * lognormal(state, 1.0, h.day_spread) * (1.04 if works else 0.9) * (SLOTS / steps)
    seen, (width, height, side) = False, grid
    for step in range(steps):
        t, slot = step * SLOTS // steps, step * out.shape[0] // steps
        p = rate * PROFILE[t if works else t - 1]  # free days begin and end later
        p = min(0.97, p * h.home_rate if life.where[t] == HOME else p)
        if life.where[t] < 0:
            p += h.moving * (1.0 - p)
        else:
            p = p + h.sticky * (1.0 - p) if seen else p * (1.0 - h.sticky)
        seen = uniform(state) < p
        if seen:
            x, y = show(life, t, person.jitter, h)
            out[slot, 0] = min(max(int(np.floor(x / side)) + 1, 1), width)
            out[slot, 1] = min(max(int(np.floor(y / side)) + 1, 1), height)


@compiled
def show(life: Life, t: int, jitter: float, h: Habits) -> tuple[float, float]:
    """Return the position that the phone gives: off by its error, or by a walk around the place."""
    state, place = life.state, life.where[t]
    if place < 0:
        return life.track[t, 0] + h.road * normal(state), life.track[t, 1] + h.road * normal(state)
    x, y = life.places[place, X], life.places[place, Y]
    if uniform(state) < h.wander:
        ux, uy = direction(state)
        reach = h.stroll * (uniform(state) + uniform(state))
        return x + reach * ux, y + reach * uy
    return x + jitter * normal(state), y + jitter * normal(state)
