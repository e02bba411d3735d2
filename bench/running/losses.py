"""Nats a cell: the negative log-probability of the true cell; and how much it rises after own answers (exposure).

Once its answers are stored, a case is asked for the probability of each cell, in a separate process that loads the fit
and keeps nothing. Own answers are shown only where exposure is wanted. A model that takes each query by itself sees no
truth. A model that reads the cells before a query (``Adapter.in_context``) is shown them, and could look at the very
cell it is asked for. So some users are asked twice, the first time with other cells from a randomly drawn query on: up
to that query both must agree within ALIKE nats. This catches mistakes and plain cheating, but not a model that
recognises the test (docs/trust.md). Distributions are checked here, and the true cell is looked up here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid
from bench.evaluation import answers as filling
from bench.evaluation.probabilities import AxisProbabilities, check, log_chances
from bench.protocol.schema import Protocol
from bench.records.store import Store, read_answers, read_json, write_json, write_parquet
from bench.running.job import Workplace, plain_worlds
from bench.running.messages import BadMessage, plain
from bench.running.plan import Planned, digest
from bench.running.tables import read_probabilities

METRICS = ("nats@v1", "exposure@v1")
VERSION = 1  # raise it when the same probabilities give other losses
TRIED_USERS = 8
ALIKE = 0.1  # nats, at each cell in float32; on average in bfloat16
ROUNDED = 1.0  # nats, at each cell in bfloat16
TRIED, OWN, TRUE = "tried", "own", "true"


def given_by(case: Planned, protocol: Protocol) -> tuple[str, ...]:
    """Return those of the protocol's metrics that this case's probabilities give."""
    wanted = (protocol.metrics.main, *protocol.metrics.also)
    known = {"nothing": (), "each by itself": METRICS[:1], "in context": METRICS}[case.model.gives]
    return tuple(name for name in wanted if name in known)


def losses_id(case: Planned) -> str:
    """Return the identity of a case's losses: a hash of its answers' identity and the truth."""
    return digest({"answers": case.identity.answers, "truth": case.prepared.truth.fingerprint(), "version": VERSION})


def settled(case: Planned, store: Store, protocol: Protocol) -> bool:
    """Whether nothing is left to ask: losses are not wanted, not given, already stored, or refused for good.

    What is stored without the losses after own answers does not do where exposure is wanted.
    """
    import pyarrow.parquet as pq

    wanted = given_by(case, protocol)
    if not wanted or "refused" in about(case, store):
        return True
    path = store.losses(losses_id(case))
    return path.exists() and (METRICS[1] not in wanted or "after_own" in pq.read_schema(path).names)


def about(case: Planned, store: Store) -> dict[str, Any]:
    """Return the note on a case's losses: context, or why there are none (refused, failed)."""
    path = store.losses(losses_id(case)).with_suffix(".json")
    return read_json(path) if path.exists() else {}


def per_user(case: Planned, store: Store, protocol: Protocol) -> dict[str, np.ndarray]:
    """Return the wanted metrics, float64 (users,) each in the truth's order; none where there are no losses."""
    import pyarrow.parquet as pq

    wanted = given_by(case, protocol)
    path = store.losses(losses_id(case)) if wanted else None
    if path is None or not path.exists():
        return {}
    table = pq.ParquetFile(path).read()
    starts = case.prepared.truth.starts

    def mean(column: str) -> np.ndarray:
        return np.add.reduceat(table[column].to_numpy(), starts[:-1]) / np.diff(starts)

    found = {METRICS[0]: lambda: mean("nats"), METRICS[1]: lambda: mean("after_own") - mean("after_true")}
    return {name: found[name]() for name in wanted}


@dataclass
class Asking:
    """The questions to one case, in order, and its replies.

    own: the truth's queries with the case's answers, where exposure is wanted; other: the truth, with changed cells for
    some users from a drawn query on; tried: the rows of these users; alike: where in these rows x (or the cell) and y
    must not change, (tried rows, 2).
    """

    case: Planned
    own: Trajectories | None = None
    other: Trajectories | None = None
    tried: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    alike: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), bool))
    told: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Planned, store: Store, protocol: Protocol) -> Asking:
        """Prepare the asks of a case whose answers are in the store."""
        split, truth = case.prepared.split, case.prepared.truth
        grid = split.world(split.test_city).grid
        if case.model.gives != "in context":
            return cls(case)
        other, tried, alike = changed(truth, split.history, grid)
        if METRICS[1] not in given_by(case, protocol):
            return cls(case, None, other, tried, alike)
        given = read_answers(store.answers(case.identity.answers))
        filled = filling.fill(given, split.history, split.queries, protocol.answers.fallback, grid)
        return cls(case, replace(truth, x=filled.x, y=filled.y), other, tried, alike)

    @property
    def grid(self) -> Grid:
        """The test city's grid."""
        split = self.case.prepared.split
        return split.world(split.test_city).grid

    @cached_property
    def asks(self) -> dict[str, tuple[Queries, Trajectories | None]]:
        """Queries and the cells shown with them, by name."""
        queries, truth = self.case.prepared.split.queries, self.case.prepared.truth
        if self.other is None:
            return {TRUE: (queries, None)}
        tried = {TRIED: (queries.take(self.tried), self.other.take(self.tried))}
        own = {} if self.own is None else {OWN: (queries, self.own)}
        return {**tried, **own, TRUE: (queries, truth)}

    def job(self, place: Workplace) -> list[dict[str, Any]]:
        """Return the questions as the worker gets them, with tables not yet written."""
        split = self.case.prepared.split
        return [
            {
                "cost_id": self.case.identity.cost,
                "label": split.test_city,
                "name": name,
                "worlds": plain_worlds(split),
                "history": split.history,
                "queries": queries,
                "shown": shown,
                "output": str(self.output(place, name)),
            }
            for name, (queries, shown) in self.asks.items()
        ]

    def output(self, place: Workplace, name: str) -> Any:
        """Path of the worker's reply, without the number of the first user."""
        return place.work / f"{self.case.identity.cost}.{name}"

    def hear(self, place: Workplace, name: str, first: int, last: int) -> None:
        """Accept one part of a reply: log-probabilities of the true cell and of the changed one."""
        if name not in self.asks:
            raise BadMessage("its process answered what was not asked")
        queries = self.asks[name][0]
        told = self.told.setdefault(name, [])
        begin = sum(map(len, told))
        if not 0 <= first < last < len(queries.starts) or queries.starts[first] != begin:
            raise BadMessage("its process gave probabilities out of order")
        rows = slice(begin, int(queries.starts[last]))
        path = self.output(place, name).with_name(f"{self.output(place, name).name}.{first}.npz")
        given = check(read_probabilities(path), queries.take(rows), self.grid)
        path.unlink()
        true, other = (self._of(table, name).take(rows) for table in (self.case.prepared.truth, self.other))
        kind = np.full((rows.stop - rows.start, 1), isinstance(given, AxisProbabilities))
        found = [log_chances(given, true, self.grid), log_chances(given, other, self.grid)]
        told.append(np.concatenate([kind, *(np.pad(part, ((0, 0), (0, 2 - part.shape[1]))) for part in found)], axis=1))

    def _of(self, table: Trajectories | None, name: str) -> Trajectories:
        table = table if table is not None else self.case.prepared.truth
        return table.take(self.tried) if name == TRIED else table

    def columns(self) -> dict[str, np.ndarray]:
        """Return what is kept for each query: nats, and what exposure compares (only x if both axes are given).

        Raises Refused.
        """
        all_of = {name: np.concatenate(self.told.get(name, [np.zeros((0, 5))])) for name in self.asks}
        for name, (queries, _shown) in self.asks.items():
            if len(all_of[name]) != len(queries):
                raise Refused("its process gave no probabilities for some users")
        true = all_of[TRUE]
        found = {"nats": -true[:, 1:3].sum(axis=1)}
        if self.other is None:
            return found
        apart = np.abs(all_of[TRIED][:, 1:] - true[self.tried, 1:]).reshape(-1, 2, 2).max(axis=1)
        apart, rounds = apart[self.alike], self.case.model.precision == "bfloat16"
        if (apart > (ROUNDED if rounds else ALIKE)).any() or (rounds and apart.size and apart.mean() > ALIKE):
            raise Refused("its probabilities of a cell depend on that cell or on later ones")
        found["after_true"] = -true[:, 1]
        return found if self.own is None else found | {"after_own": -all_of[OWN][:, 1]}


class Refused(ValueError):
    """Probabilities that do not count; says why."""


class LossKeeper:
    """Accepts a worker's replies for some cases, and writes their losses into the store."""

    def __init__(
        self,
        asking: Sequence[Asking],
        store: Store,
        place: Workplace,
        failed: Callable[[Planned, str], None],
    ) -> None:
        self.store, self.place, self._failed = store, place, failed
        self.waiting = {one.case.identity.cost: one for one in asking}
        self._own = frozenset(self.waiting)

    def started(self, confined: bool) -> None:
        """Note that the worker has begun."""

    def probabilities(self, cost_id: str, ask: str, first: int, last: int) -> None:
        """Keep one part; after the last part of the last ask, write the case's losses."""
        if cost_id not in self._own:
            raise BadMessage("its process reported a case that is not its own")
        one = self.waiting.get(cost_id)
        if one is None:  # given up
            return
        try:
            one.hear(self.place, ask, first, last)
            queries = one.asks[TRUE][0]
            if ask == TRUE and last == len(queries.users):
                self._write(one)
                del self.waiting[cost_id]
        except (OSError, ValueError, KeyError, TypeError, MemoryError) as error:
            self._give_up(cost_id, f"{error}", for_good=isinstance(error, Refused))

    def missed(self, cost_id: str, status: str, reason: str) -> None:
        """Note that the model failed; repeated messages count once."""
        if cost_id in self.waiting:
            self._give_up(cost_id, reason, for_good=False)

    def _give_up(self, cost_id: str, reason: str, *, for_good: bool) -> None:
        case = self.waiting.pop(cost_id).case
        noted = {"refused" if for_good else "failed": plain(reason)}
        write_json(self.store.losses(losses_id(case)).with_suffix(".json"), noted)
        self._failed(case, plain(reason))

    def _write(self, one: Asking) -> None:
        columns = one.columns()
        queries, path = one.case.prepared.split.queries, self.store.losses(losses_id(one.case))
        names = np.array(queries.cities or ("",))[queries.city]
        keys = {"city": names, "uid": queries.uid, "d": queries.d, "t": queries.t}
        write_parquet(path, {**keys, **columns})
        write_json(path.with_suffix(".json"), {"context": one.case.model.gives})


KEPT = ("started", "probabilities", "missed")  # the messages that a LossKeeper takes


def changed(truth: Trajectories, history: Trajectories, grid: Grid) -> tuple[Trajectories, np.ndarray, np.ndarray]:
    """Change the cells of some users from a drawn query on; return the table, their rows, and what must stay equal.

    Half of these users keep x at that query, so that y is tested by itself. The truth, which no model knows, seeds the
    draw of users and queries.
    """
    rng = np.random.default_rng(int(truth.fingerprint()[:12], 16))
    users = truth.users
    x, y, tried = truth.x.copy(), truth.y.copy(), np.zeros(len(truth), bool)
    alike = np.zeros((len(truth), 2), bool)
    for turn, i in enumerate(sorted(rng.permutation(len(users))[:TRIED_USERS].tolist())):
        first, end = int(truth.starts[i]), int(truth.starts[i + 1])
        cut = int(rng.integers(first, end))
        past = history.of(users[i])
        drawn = rng.integers(len(past), size=end - cut) if len(past) else None
        for axis, size, name in ((x, grid.width, "x"), (y, grid.height, "y")):
            new = getattr(past, name)[drawn] if drawn is not None else rng.integers(1, size + 1, end - cut)
            axis[cut:end] = np.where(new == axis[cut:end], axis[cut:end] % size + 1, new)
        if turn % 2:
            x[cut] = truth.x[cut]
        tried[first:end] = True
        alike[first : cut + 1, 0] = True
        alike[first : cut + turn % 2, 1] = True
    return replace(truth, x=x, y=y), tried, alike[tried]
