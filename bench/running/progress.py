"""Progress of a run: plain lines in a log, or a display that is redrawn on a terminal (live.py)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from bench.errors import printable
from bench.report import numbers

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records.record import Record

LINE_EVERY_S = 15.0


class Progress(Protocol):
    """What the runner reports about its work."""

    def start(self, total: int, done: int, waiting: Iterable[str]) -> None:
        """The number of cases, and of those already done; waiting: the model of each other case."""

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """A job has done this much of something (users, epochs)."""

    def known(self, record: Record) -> None:
        """A case was already done."""

    def case(self, record: Record) -> None:
        """A case ended: done, failed or skipped."""

    def finish(self, job: str) -> None:
        """A job ended."""

    def say(self, text: str) -> None:
        """A line for the reader."""

    def stop(self) -> None:
        """Leave the terminal as it was."""


class Lines:
    """Plain lines: when a case ends, and every 15 seconds while one runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0
        self._began = self._last = time.monotonic()

    def start(self, total: int, done: int, waiting: Iterable[str]) -> None:
        """Print how much there is to do."""
        self._total, self._done, self._began = total, done, time.monotonic()
        self.say(f"{total} cases, {done} already done")

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """Print how far a job is, now and then."""
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            self.say(f"  {job}: {label} {done:g}/{total:g}")

    def known(self, record: Record) -> None:
        """Print nothing: the first line counts them."""

    def case(self, record: Record) -> None:
        """Print how a case ended."""
        self._done += 1
        self._last = time.monotonic()
        self.say(f"[{self._done}/{self._total}] {line(record)} ({self._last - self._began:.0f} s)")

    def finish(self, job: str) -> None:
        """Print nothing: its cases have their lines."""

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing to tidy up."""


def line(record: Record, *, short: bool = False) -> str:
    """Say in one line how a case ended: model, training, test city, main score and time per trajectory.

    short: without the metric's name and the interval, so that it fits a terminal.
    """
    case = record.case
    fitted = f"{'+'.join(case.train_cities)} -> " if case.train_cities else ""
    name = printable(f"{case.model} | {fitted}{case.test_city} | seed {case.seed}")
    score = record.scores.get(record.main)
    if record.status != "done" or score is None:
        return f"{name}: {record.status}"
    told = numbers.amount(score.mean, score.unit)
    if not short:
        told = f"{numbers.title(record.main)} {told} {numbers.span(score.low, score.high, score.unit)}".rstrip()
    cost = record.cost.latency_median_s if record.cost else None
    return f"{name}: {told}" + (f", {numbers.seconds(cost)} a trajectory" if cost is not None else "")


def make(console: Console) -> Progress:
    """Return a display on a terminal, lines elsewhere."""
    if not console.is_terminal:
        return Lines(console)
    from bench.running.live import Live

    return Live(console)
