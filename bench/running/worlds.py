"""Each city's grid and calendar in a split: the source's, the protocol's, or learned from the days of the crowd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench.data.learned_calendar import learned_calendar
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.data.world import World
from bench.errors import UserError
from bench.evaluation import metrics
from bench.protocol.schema import METRICS, DataSpec, MetricsSpec, Protocol
from bench.running.model import Model


def worlds_of(
    data: DataSpec, cities: Sequence[str], source: Source, train: Trajectories, history: Trajectories, last_day: int
) -> dict[str, World]:
    """Return the world of each city of a split.

    A learned calendar sees the rows of training users or, in a city without any, the histories of test users; never a
    test user's horizon. last_day: the last day that may be asked for. Raises UserError if the source's grid is not the
    one that the protocol states.
    """
    found = {}
    for city in dict.fromkeys(cities):
        world = source.world(city)
        if data.grid is not None and data.grid.grid() != world.grid:
            raise UserError(f"data.grid is {data.grid.grid()}, but city {city} has {world.grid}; correct the protocol")
        stated = data.calendar.get(city)
        if stated is not None:
            world = replace(world, calendar=stated.calendar())
            if stated.learned:
                rows = _of_city(train if city in _cities(train) else history, city)
                calendar = learned_calendar(rows, world.grid.slots, world.calendar, last_day)
                world = replace(world, calendar=calendar)
        found[city] = world
    return found


def with_metrics(protocol: Protocol, source: Source, say: Callable[[str], None]) -> Protocol:
    """Return the protocol with metrics that are defined on the grids of its test cities.

    Default metrics are replaced by those that any grid allows. Raises UserError if a protocol asks for others that are
    not defined.
    """
    here = source.cities()
    asked = (protocol.metrics.main, *protocol.metrics.also)
    cities = dict.fromkeys(city for split in protocol.splits for city in split.test if city in here)
    for city in cities:
        lacking = metrics.undefined(asked, source.world(city).grid)
        if lacking and protocol.metrics != METRICS:
            raise UserError(f"city {city}: {lacking}")
        if lacking:
            main, *also = metrics.ANY_GRID
            say(f"city {city} has {source.world(city).grid}: ranked by {main}, which any grid allows")
            return protocol.model_copy(update={"metrics": MetricsSpec(main=main, also=tuple(also))})
    return protocol


def unlike(model: Model, train_cities: Sequence[str], test_city: str, worlds: Mapping[str, World]) -> str | None:
    """Return why a model cannot learn in cities whose grids or calendars differ, or None."""
    if not model.learns or model.knows_worlds:
        return None
    grids = {city: worlds[city].grid for city in (*train_cities, test_city)}
    if len(set(grids.values())) > 1:
        said = "; ".join(f"{city} {grid}" for city, grid in grids.items())
        return f"it learns on a single grid, and these cities have several ({said})"
    if len({worlds[city].calendar for city in train_cities}) > 1:
        return f"it learns with a single calendar, and {', '.join(train_cities)} have several"
    return None


def _cities(table: Trajectories) -> set[str]:
    return {city for city, _uid in table.users}


def _of_city(table: Trajectories, city: str) -> Trajectories:
    return table.only([user for user in table.users if user[0] == city])
