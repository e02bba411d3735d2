"""The embedded default source: seeded cities A-D that behave like the real ones where it matters."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.errors import UserError, nearest
from bench.sources import Source
from bench.trajectories import Trajectories
from bench.world import World

if TYPE_CHECKING:
    from bench.sources._synthetic_habits import Habits

CHUNK = 200  # users simulated at a time: bounds the memory of the dense days


@dataclass(frozen=True)
class City:
    """One synthetic city: number of towns, radius of the main one in cells, and how its people's habits differ."""

    centres: int
    spread: float
    habits: dict[str, float] = field(default_factory=dict)


CITIES = {
    "A": City(12, 32.0),
    "B": City(8, 18.7),
    "C": City(7, 22.0),
    "D": City(4, 14.0),
}


class Synthetic(Source):
    """Cities A-D drawn from a seed; each user depends on (seed, city, uid) alone, so fewer users are a prefix of more.

    users: people per city, uid 0 to users - 1; days: from day 0. Another seed gives other cities of the same family.
    """

    name: ClassVar[str] = "synthetic"
    synthetic: ClassVar[bool] = True

    def __init__(self, seed: int = 0, users: int = 2000, days: int = 75) -> None:
        for key, value, least in (("seed", seed, 0), ("users", users, 1), ("days", days, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f"synthetic source: {key} = {value!r}; give a whole number of at least {least}")
        self.seed, self.users, self.days = seed, users, days

    @property
    def spec(self) -> str:
        """The source as records name it."""
        return f"synthetic(seed={self.seed},users={self.users},days={self.days})"

    @property
    def world(self) -> World:
        """Grid and calendar: those of HuMob 2023/2024."""
        return World()

    def cities(self) -> tuple[str, ...]:
        """Names of the cities."""
        return tuple(CITIES)

    def load(self, city: str) -> Trajectories:
        """Simulate one city. Raises UserError for an unknown one."""
        if city not in CITIES:
            raise UserError(f"city '{city}' is not in the synthetic source{nearest(city, CITIES)}")
        return simulate_city(self.seed, city, CITIES[city], self.users, self.days)


def habits_of(city: City) -> Habits:
    """Return the city's habits: those of city B, and what differs."""
    from bench.sources._synthetic_habits import Habits

    return Habits(**city.habits)


def simulate_city(seed: int, name: str, city: City, users: int, days: int = 75) -> Trajectories:
    """Simulate ``users`` people of one city for ``days`` days, on all cores."""
    from bench.sources._synthetic_city import draw_maps
    from bench.sources._synthetic_signal import simulate

    world, number, habits = World(), ord(name[0]), habits_of(city)
    # a record goes to compiled code as one pointer; a tuple of 38 numbers costs seconds of compiling
    record = np.array([tuple(habits)], dtype=[(key, np.float64) for key in habits._fields])[0]
    maps = draw_maps(seed, number, city.centres, city.spread, world.grid)
    off = world.calendar.is_off(np.arange(days))

    def some(first: int) -> tuple[np.ndarray, ...]:
        seen = np.zeros((min(CHUNK, users - first), days, world.grid.slots, 2), np.int16)
        simulate(seed, number, first, off, maps.homes, maps.pull, record, seen)
        uid, d, t = np.nonzero(seen[..., 0])
        cells = seen[uid, d, t]
        return (uid + first).astype(np.int32), d.astype(np.int16), t.astype(np.int16), cells[:, 0], cells[:, 1]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = list(pool.map(some, range(0, users, CHUNK)))
    uid, d, t, x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Trajectories.build((name,), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)
