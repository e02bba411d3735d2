"""The embedded default source: seeded cities A-D that behave like the real ones where it matters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.data.poi import Poi
from bench.data.sources import Source
from bench.data.sources.synthetic.kinds import City, kind
from bench.data.sources.synthetic.variants import Variant, variants_of
from bench.data.trajectories import Trajectories
from bench.data.world import Grid, World
from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from bench.data.sources.synthetic.habits import Habits

CHUNK = 200  # users simulated at a time: bounds the memory of the dense days


# B's habits are the defaults of Habits. C's were fitted to real people's distributions (see Synthetic), A's and D's are
# set by hand: A a metropolis with busier phones and firmer habits, D small towns far apart with quieter phones.
CITIES = {
    "A": City(12, 19.0, {"commute": 20.5, "points": 6.9, "explore": 0.21}),
    "B": City(8, 15.6, {}),
    "C": City(
        7,
        14.5,
        {
            "commute": 11.7,
            "commute_spread": 0.85,
            "errand": 6.9,
            "explore": 0.49,
            "known": 6.19,
            "points": 5.25,
            "points_spread": 0.654,
            "absent": 0.0548,
            "shifts": 0.3,
            "homebound": 0.005,
            "travel": 0.007,
            "jitter": 0.305,
            "wander": 0.143,
            "home_rate": 0.947,
        },
    ),
    "D": City(5, 14.0, {"commute": 36.0, "errand": 7.6, "points": 5.33, "explore": 0.28, "absent": 0.053}),
}


class Synthetic(Source):
    """Cities A-D drawn from a seed; each user depends on (seed, city, uid) alone, so fewer users are a prefix of more.

    users: people per city, uid 0 to users - 1; days: from day 0; kinds: by city, the kind that takes the place of its
    own habits (``{C: car}``, see :mod:`~bench.data.sources.synthetic.kinds`). Another seed gives other cities of the
    same kinds: protocols use seeds below 1000, pretraining those from 1000 on.

    width, height, cell_km, slots_per_day: the grid of all cities. variants: further cities, each the people of another
    one on a grid of its own: ``{B-1km: {of: B, cell_km: 1.0}}``; what a variant leaves out is as in the other cities,
    its extent too.

    Fitted on 100 real users each of HuMob 2024's B and C (``bench data describe`` shows both sides): B's habits by
    Gauss-Newton steps to the distributions over people and moves and to what six per-user statistics score. C is no
    clean check of that: its size and 14 habits were fitted to its distributions and to the true DTW of ``user_mode``,
    and the last hand steps looked at its scores (before, GEO-BLEU was up to 20 % too high). A and D are plausible, not
    fitted. What stays off: ``bigram`` scores a quarter too low in GEO-BLEU, ``user_mean`` 40 % too high in C.
    """

    name: ClassVar[str] = "synthetic"
    synthetic: ClassVar[bool] = True

    def __init__(
        self,
        seed: int = 0,
        users: int = 2000,
        days: int = 75,
        kinds: Mapping[str, str] | None = None,
        variants: Mapping[str, object] | None = None,
        **grid: object,
    ) -> None:
        for key, value, least in (("seed", seed, 0), ("users", users, 1), ("days", days, 1)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f"synthetic source: {key} = {value!r}; give a whole number of at least {least}")
        self.seed, self.users, self.days = seed, users, days
        self.kinds = _checked(kinds)
        self._options = {**grid, **({"variants": "+".join(map(str, variants))} if variants else {})}
        self._variants = variants_of(tuple(CITIES), grid, variants or {})
        self._made: dict[str, Trajectories] = {}

    @property
    def spec(self) -> str:
        """The source as records name it."""
        more = "".join(f",{name}={value}" for name, value in {**self.kinds, **self._options}.items())
        return f"synthetic(seed={self.seed},users={self.users},days={self.days}{more})"

    @classmethod
    def named(cls, spec: str) -> Synthetic | None:
        """Return the source that records name so (see :attr:`spec`), or None where no source has that name."""
        inside = spec.removeprefix(f"{cls.name}(").removesuffix(")")
        given = dict(part.split("=", 1) for part in inside.split(",") if "=" in part)
        numbers = {name: int(text) for name, text in given.items() if text.isdecimal()}
        kinds = {name: text for name, text in given.items() if name in CITIES}
        try:
            made = cls(kinds=kinds, **numbers)  # type: ignore[arg-type]
        except (TypeError, UserError):
            return None
        return made if made.spec == spec else None

    def world(self, city: str) -> World:
        """Return grid and calendar: those of HuMob 2023/2024 where no option says otherwise."""
        known = self._known(city)
        return World(known.grid, people=known.of if known.of != city else "")

    def cities(self) -> tuple[str, ...]:
        """Names of the cities."""
        return tuple(self._variants)

    def load(self, city: str) -> Trajectories:
        """Simulate one city. Raises UserError for an unknown one."""
        people = self._known(city)
        if city not in self._made:
            table = simulate_city(self.seed, people.of, self._city(people.of), self.users, self.days, people.grid)
            self._made[city] = replace(table, cities=(city,))
        return self._made[city]

    def _known(self, city: str) -> Variant:
        if city not in self._variants:
            raise UserError(f"city '{city}' is not in the synthetic source{nearest(city, self._variants)}")
        return self._variants[city]

    def poi(self, city: str) -> Poi:
        """Draw the city's points of interest; they depend on its seed and kind, not on its users."""
        from bench.data.sources.synthetic.city import draw_maps
        from bench.data.sources.synthetic.poi import draw_poi

        people = self._known(city)
        made, number = self._city(people.of), ord(people.of[0])
        maps = draw_maps(self.seed, number, made.centres, made.spread, people.grid)
        return draw_poi(self.seed, number, maps, people.grid)

    def _city(self, city: str) -> City:
        return kind(self.kinds[city]).city if city in self.kinds else CITIES[city]


def _checked(kinds: Mapping[str, str] | None) -> dict[str, str]:
    """Return the kinds by city, in the cities' order. Raises UserError."""
    if not isinstance(kinds or {}, Mapping):
        raise UserError(f"synthetic source: kinds = {kinds!r}; give a kind for each city that has one, as {{B: car}}")
    given = dict(kinds or {})
    for city, name in given.items():
        if city not in CITIES:
            raise UserError(
                f"synthetic source: kinds names city '{city}', which is not there{nearest(str(city), CITIES)}"
            )
        kind(name)
    return {city: given[city] for city in CITIES if city in given}


def habits_of(city: City) -> Habits:
    """Return the city's habits: those of city B, and what differs."""
    from bench.data.sources.synthetic.habits import Habits

    return Habits(**city.habits)


def simulate_city(
    seed: int, name: str, city: City, users: int, days: int = 75, grid: Grid | None = None
) -> Trajectories:
    """Simulate ``users`` people of one city for ``days`` days, on all cores. grid: that of HuMob if None."""
    from bench.data.sources.synthetic.city import draw_maps
    from bench.data.sources.synthetic.signal import simulate

    world, number, habits = World(), ord(name[0]), habits_of(city)
    # a record goes to compiled code as one pointer; a tuple of 38 numbers costs seconds of compiling
    record = np.array([tuple(habits)], dtype=[(key, np.float64) for key in habits._fields])[0]
    grid = grid or world.grid
    side = grid.half_kms
    land = Grid(max(1, round(grid.width * side)), max(1, round(grid.height * side)))  # that people live on
    maps = draw_maps(seed, number, city.centres, city.spread, land)
    off = world.calendar.is_off(np.arange(days))

    def some(first: int) -> tuple[np.ndarray, ...]:
        seen = np.zeros((min(CHUNK, users - first), days, grid.slots, 2), np.int16)
        simulate(seed, number, first, off, maps.homes, maps.pull, record, (grid.width, grid.height, side), seen)
        uid, d, t = np.nonzero(seen[..., 0])
        cells = seen[uid, d, t]
        return (uid + first).astype(np.int32), d.astype(np.int16), t.astype(np.int16), cells[:, 0], cells[:, 1]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = list(pool.map(some, range(0, users, CHUNK)))
    uid, d, t, x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Trajectories.build((name,), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)
