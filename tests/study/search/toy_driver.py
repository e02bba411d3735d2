"""A driver whose trials take no work: for tests that kill it, or run it beside another."""

from __future__ import annotations

import time
from pathlib import Path

from bench.study.search import lock, storage
from bench.study.search.address import Address
from bench.study.search.driver import Driver
from bench.study.search.evaluate import Scored
from bench.study.spec import reading
from bench.study.spec.schema import Point


def toy_score(point: Point) -> Scored:
    """Give a point scores that depend on it alone."""
    value = sum(map(ord, str(sorted(point.items())))) / 1000
    return Scored({"geobleu@humob24": {"C": [value]}}, {}, 10, ())


def drive(file: str, spec: str, log: str, seconds: float, workers: int) -> None:
    """Bring the first study of a file to its total; each trial that ended is a line of the log."""
    study = reading.load(Path(file))[0]
    address = Address.parse(spec)

    def score(point: Point, _: object) -> Scored:
        time.sleep(seconds)
        return toy_score(point)

    def say(text: str) -> None:
        with Path(log).open("a") as lines:
            lines.write(text + "\n")

    with lock.only_driver(address, study.name) as still_alone:
        storage.mend_journal(address)
        opened = storage.open_study(study, storage.open_storage(address), address, accept=False)
        Driver(study, opened, score, say, workers=workers).run(still_alone)
