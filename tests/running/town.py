"""Cities from tables in memory, and splits of them without a protocol file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from bench.data.sources import Source
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window, World
from bench.protocol.schema import DataSpec, Protocol, SplitSpec, TrainSpec, UsersSpec
from bench.running.splits import Prepared, make_split

WINDOW = Window((0, 3), (4, 5))
DAYS = 6


def people(city: str, uids: Iterable[int], days: Iterable[int] = range(DAYS)) -> Trajectories:
    """Two points a day for each user, in cells that tell uid and day."""
    rows = np.array([(uid, d, t) for uid in uids for d in days for t in (10, 20)], dtype=np.int64).reshape(-1, 3)
    uid, d, t = rows.T
    return Trajectories.build((city,), city=np.zeros(len(rows)), uid=uid, d=d, t=t, x=uid % 200 + 1, y=d + 1)


class Town(Source):
    """A source from tables in memory."""

    name: ClassVar[str] = "town"
    synthetic: ClassVar[bool] = True
    uids_a_user = 1

    def __init__(
        self,
        tables: Mapping[str, Trajectories],
        targets: Mapping[str, tuple[int, ...]] | None = None,
        masked: Mapping[str, Queries] | None = None,
    ) -> None:
        self.tables, self.official, self.hidden = tables, targets or {}, masked or {}

    @property
    def spec(self) -> str:
        return "town"

    def world(self, city: str) -> World:
        return World(uids_a_user=self.uids_a_user)

    def cities(self) -> tuple[str, ...]:
        return tuple(self.tables)

    def load(self, city: str) -> Trajectories:
        return self.tables[city]

    def masked(self, city: str) -> Queries:
        return self.hidden.get(city, Queries.empty((city,)))

    def targets(self, city: str) -> tuple[int, ...]:
        return self.official.get(city, ())


def towns(**sizes: int) -> Town:
    return Town({city: people(city, range(n)) for city, n in sizes.items()})


def cut(
    source: Source,
    users: dict[str, Any],
    *,
    train: tuple[str, ...] = ("B",),
    test: str = "C",
    days: tuple[int, int] = (0, 3),
    shares: dict[str, float] | None = None,
    window: Window = WINDOW,
    asked: int | None = None,
) -> Prepared:
    """Make one split without a protocol file."""
    spec = SplitSpec(
        train=TrainSpec(cities=train, days=days, shares=shares or {}),
        test=(test,),
        users=UsersSpec.model_validate(users),
        window=window,
        asked=asked,
    )
    return make_split(Protocol.model_construct(data=DataSpec.model_construct()), spec, test, source)


def uids(table: Trajectories | None, city: str | None = None) -> set[int]:
    return {uid for name, uid in table.users if city in (None, name)} if table is not None else set()
