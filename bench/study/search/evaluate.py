"""A trial is a set of cases; the runner's store makes repeated ones free."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.poi import Poi
from bench.data.sources import Source
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import World
from bench.protocol.schema import Protocol
from bench.records.record import Record
from bench.records.store import Run
from bench.running.hardware import Hardware
from bench.running.runner import Runner
from bench.study.spec.placing import VALIDATION
from bench.study.spec.schema import COSTS, TRAJECTORIES

TEST = "test"  # folder of the records of test users, beside that of VALIDATION


class Failed(Exception):
    """A case of the trial has no scores; says which and why."""


@dataclass(frozen=True)
class Scored:
    """The results of a trial's cases.

    scores: metric -> city -> mean of each seed; cases: (city, seed, cost identity); unranked: why a leaderboard would
    not rank it; excess: how far it exceeds what is ranked, at most 0 if it is ranked (the share of filled answers minus
    ``most_filled``); rejected: how many of its fits were rejected on validation users and kept their start.
    """

    scores: dict[str, dict[str, list[float]]]
    costs: dict[str, float]
    trajectories: int
    cases: tuple[tuple[str, int, str], ...]
    unranked: str | None = None
    excess: float = 0.0
    fits: int = 1
    rejected: int = 0

    @property
    def learned(self) -> bool:
        """Whether any fit changed the model."""
        return self.rejected < self.fits

    def value(self, objective: str) -> float:
        """Return an objective: a metric's mean over target cities and seeds, a cost, or the number of trajectories."""
        if objective == TRAJECTORIES:
            return float(self.trajectories)
        if objective in COSTS:
            return self.costs[objective]
        return float(np.mean([np.mean(seeds) for seeds in self.scores[objective].values()]))

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of_plain(cls, given: dict[str, Any]) -> Scored:
        """Read the values of :meth:`to_plain`."""
        cases = tuple((str(city), int(seed), str(cost)) for city, seed, cost in given["cases"])
        return cls(**{**given, "cases": cases})


class Evaluator:
    """Runs the protocols of one study; keeps the cities in memory between trials."""

    def __init__(self, source: Source, out: Path, folder: Path, where: Hardware) -> None:
        self.source, self.out, self.folder, self.where = Remembered(source), out, folder, where

    def score(
        self,
        protocol: Protocol,
        *,
        kind: str = VALIDATION,
        trains: bool = True,
        on_validation_score: Callable[[int, float], None] | None = None,
    ) -> Scored:
        """Run a protocol's cases, or find them done. Trials may be scored in several threads at once.

        trains: False for the empty set of cities; on_validation_score: called with (step, score) after each validation
        step of a fit. Raises Failed, and what ``on_validation_score`` raises.
        """
        runner = Runner(
            protocol,
            self.source,
            self.out,
            self.where,
            Silent(),
            folder=self.folder / kind,
            on_validation_score=_first(on_validation_score),
        )
        runner.plan()
        runner.work()
        return _scored([runner.run.read(case) for case in runner.ledger.cases], protocol, trains)

    def run(self, kind: str = VALIDATION) -> Run:
        """Return the folder of records."""
        return Run(self.folder / kind)


def _first(on_validation_score: Callable[[int, float], None] | None) -> Callable[[int, float], None] | None:
    """Pass on the values of a trial's first fit only; those of further seeds start from step one again."""
    last = -1

    def pass_on(step: int, value: float) -> None:
        nonlocal last
        if on_validation_score and step > last:
            last = step
            on_validation_score(step, value)

    return pass_on if on_validation_score else None


def _scored(records: Sequence[Record | None], protocol: Protocol, trains: bool) -> Scored:
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    done: list[Record] = []
    for record in records:
        if record is None or record.status != "done":
            where = f"city {record.case.test_city}, seed {record.case.seed}: {record.reason}" if record else "no record"
            raise Failed(where)
        done.append(record)
        for name in (protocol.metrics.main, *protocol.metrics.also):
            if name in record.scores:  # not every model gives probabilities
                scores[name][record.case.test_city].append(record.scores[name].mean)
    fits = {record.identity.fit: record for record in done}
    costs = {name: _mean(name, list(fits.values()) if name == "fit_seconds" else done) for name in COSTS}
    trains &= done[0].case.learns_from != "nothing"
    trained = max(record.data.train_users for record in done if record.data) if trains else 0
    return Scored(
        scores={name: dict(cities) for name, cities in scores.items()},
        costs=costs,
        trajectories=trained,
        cases=tuple((record.case.test_city, record.case.seed, record.identity.cost) for record in done),
        unranked=_unranked(done),
        excess=max(map(_excess, done)),
        fits=len(fits),
        rejected=sum(record.learning is not None and record.learning.rejected for record in fits.values()),
    )


def _unranked(records: Sequence[Record]) -> str | None:
    """Return why a leaderboard would not rank these cases, or None."""
    reasons = [(record.case.test_city, reason) for record in records if (reason := record.unranked())]
    return f"{reasons[0][1]} (city {reasons[0][0]})" if reasons else None


def _excess(record: Record) -> float:
    """How far a case exceeds what is ranked: filled answers above the limit, else 1; at most 0 if it is ranked."""
    given = record.answers
    filled = given.filled / given.asked - given.most_filled if given and given.asked else 0.0
    return max(filled, 1.0) if filled <= 0 and record.unranked() else filled


def _mean(name: str, records: Sequence[Record]) -> float:
    values = [getattr(record.cost, name) for record in records]
    return float(np.mean([0.0 if value is None else value for value in values]))


class Remembered(Source):
    """A source that loads each city once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.name, self.synthetic = source.name, source.synthetic  # type: ignore[misc]
        self._cities: dict[str, Trajectories] = {}
        self._loading = threading.Lock()

    @property
    def spec(self) -> str:
        """The source as records name it."""
        return self._source.spec

    def world(self, city: str) -> World:
        """Return a city's grid and calendar."""
        return self._source.world(city)

    def cities(self) -> tuple[str, ...]:
        """Names of the cities that are here."""
        return self._source.cities()

    def load(self, city: str) -> Trajectories:
        """Return all visible rows of one city."""
        with self._loading:
            if city not in self._cities:
                self._cities[city] = self._source.load(city)
            return self._cities[city]

    def masked(self, city: str) -> Queries:
        """Return the points that a challenge hides."""
        return self._source.masked(city)

    def targets(self, city: str) -> tuple[int, ...]:
        """Return the uids of the official target users."""
        return self._source.targets(city)

    def poi(self, city: str) -> Poi | None:
        """Return the city's points of interest."""
        return self._source.poi(city)

    def folders(self) -> tuple[Path, ...]:
        """Return what the data are read from."""
        return self._source.folders()


class Silent:
    """Hides the progress of a trial's cases: the study reports whole trials."""

    def start(self, total: int, done: int, waiting: Iterable[str]) -> None:
        """Do nothing."""

    def known(self, record: Record) -> None:
        """Do nothing."""

    def case(self, record: Record) -> None:
        """Do nothing."""

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """Do nothing."""

    def finish(self, job: str) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Nothing to tidy up."""
