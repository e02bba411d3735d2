"""A protocol of few users, and progress that a test can read: what the tests of the runner share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from bench.records.record import Record
from bench.records.store import Run
from bench.running.progress import Lines, line

TEXT = """\
schema: 1
name: tiny
version: 1
about: Few users, one week.
data: {{source: synthetic, cities: [B, C, D], seed: 5, options: {{users: 60}}}}
window: {{history: [50, 58], horizon: [60, 61]}}
splits:
  - {{train: {{cities: [B], days: [0, 74]}}, test: [C, D]}}
users: {{train: 20, validate: 5, test: 6}}
models: {models}
metrics: {{main: geobleu@humob24, also: [dtw@humob24, geobleu@giscup25, dtw@fixed]}}
answers: {{fallback: last_cell, most_filled: 0.05}}
seeds: [0]
limits: {{fit_seconds: 60, predict_seconds: {limit}}}
floor: false
"""
HERE = Path(__file__).resolve().parent


class Silent(Lines):
    """Progress that is kept for the test to read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def start(self, total: int, done: int, waiting: Iterable[str]) -> None:
        self.total, self.before = total, done

    def case(self, record: Record) -> None:
        self.lines.append(f"case {line(record)}")

    def step(self, job: str, label: str, done: float, total: float) -> None:
        self.lines.append(f"{job}: {label}")

    def finish(self, job: str) -> None:
        self.lines.append(f"end {job}")

    def say(self, text: str) -> None:
        self.lines.append(text)


Go = Callable[..., tuple[Run, list[Record], Silent]]
