"""A run on a terminal: what is running, how long it will take, and the leaderboard so far.

Finished cases are lines that scroll away; the rest is redrawn below them and disappears when the run ends.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import printable
from bench.report import numbers
from bench.running.progress import line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from bench.records.record import Record

NAME = 34  # columns of a name
CITY = 9  # columns of a city's score
EVERY_S = 0.25


@dataclass
class Standing:
    """A leaderboard that fills: the main metric's mean over finished cases, by row and test city."""

    scores: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    cities: dict[str, None] = field(default_factory=dict)
    metric: str = ""
    unit: str = ""
    sign: float = 1.0

    def add(self, record: Record) -> None:
        """Take in a record."""
        score = record.scores.get(record.main)
        if record.status != "done" or score is None:
            return
        self.metric, self.unit, self.sign = record.main, score.unit, 1.0 if score.better == "higher" else -1.0
        self.cities[record.case.test_city] = None
        row = self.scores.setdefault(record.case.model, {})
        row.setdefault(record.case.test_city, []).append(score.mean)

    def rows(self) -> list[tuple[str, dict[str, float], int]]:
        """Return name, mean by city and number of cases; rows with all cities first, the best of them first."""
        found = [
            (name, {city: float(np.mean(values)) for city, values in towns.items()}, sum(map(len, towns.values())))
            for name, towns in list(self.scores.items())
        ]
        return sorted(found, key=lambda row: (-len(row[1]), -self.sign * float(np.mean(list(row[1].values())))))


@dataclass
class Pace:
    """Estimates the time left from finished cases of the same models."""

    waiting: Counter[str] = field(default_factory=Counter)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def finished(self, model: str, seconds: float) -> None:
        """Note a case that ended."""
        self.took[model].append(seconds)
        self.waiting[model] -= 1

    def left(self) -> str:
        """Say how much time is left, and which cases the estimate leaves out."""
        waiting = {model: count for model, count in self.waiting.items() if count > 0}
        known = {model: count for model, count in waiting.items() if self.took.get(model)}
        unknown = sum(waiting.values()) - sum(known.values())
        if not waiting:
            return "the last case is being written"
        seconds = sum(count * float(np.mean(self.took[model])) for model, count in known.items())
        told = [f"about {_duration(seconds)} left"] if known else []
        if unknown:
            more = "more " if known else ""
            told.append(f"{unknown} {more}case{'s' if unknown > 1 else ''} of models not timed yet")
        return "; ".join(told)


class Live:
    """Bars for the cases and each worker, the time left and the leaderboard so far."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as RichLive

        self._console = console
        self._live = RichLive(self, console=console, transient=True, refresh_per_second=1 / EVERY_S)
        self._lock = threading.Lock()
        self._total = self._done = 0
        self._jobs: dict[str, tuple[str, float, float]] = {}
        self._began = self._last = time.monotonic()
        self._standing, self._pace = Standing(), Pace()

    def start(self, total: int, done: int, waiting: Iterable[str] = ()) -> None:
        """Show the bar of all cases."""
        self._total, self._done, self._pace.waiting = total, done, Counter(waiting)
        self._began = self._last = time.monotonic()
        self._live.start()

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """Show or move a job's bar."""
        with self._lock:
            self._jobs[job] = (label, done, total)

    def known(self, record: Record) -> None:
        """Take a case that was done before into the leaderboard."""
        with self._lock:
            self._standing.add(record)

    def case(self, record: Record) -> None:
        """Take a finished case into the leaderboard, and say so."""
        with self._lock:
            self._standing.add(record)
            now = time.monotonic()
            self._pace.finished(record.case.model, now - self._last)
            self._last, self._done = now, self._done + 1
        self.say(f"[{self._done}/{self._total}] {line(record, short=True)}")

    def finish(self, job: str) -> None:
        """Take a job's bar away."""
        with self._lock:
            self._jobs.pop(job, None)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Remove everything that is redrawn."""
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the leaderboard, then the running jobs."""
        from rich.text import Text

        with self._lock:
            jobs, width = dict(self._jobs), options.max_width
            bars = [_bar("cases", "", self._done, self._total, width)]
            bars += [_bar(job, label, done, total, width) for job, (label, done, total) in jobs.items()]
            passed = _duration(time.monotonic() - self._began)
            state = Text(f"{passed} so far; {self._pace.left()}", style="dim", no_wrap=True, overflow="ellipsis")
            room = console.height - len(bars) - 7
            parts: list[RenderableType] = [Text()]
            if self._standing.scores and room > 0:
                parts += [_board(self._standing, width, room), Text()]
        yield from (*parts, *bars, state)


def _bar(name: str, label: str, done: float, total: float, width: int) -> Table:
    """Draw a bar with its name, its label and its count."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=min(NAME, width // 2), no_wrap=True)
    grid.add_column(width=max(10, width // 5))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    told = f"{done:g}/{total:g} {label}".rstrip()
    bar = ProgressBar(total=total or 1, completed=done)
    grid.add_row(Text(printable(name)), bar, Text(printable(told), style="dim"))
    return grid


def _board(standing: Standing, width: int, room: int) -> Table:
    """Draw the leaderboard so far: a column a test city, as many as fit."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    fitting = sorted(standing.cities)[: max(1, (width - NAME - 8) // (CITY + 1))]
    title = f"{numbers.title(standing.metric)} so far, mean over finished cases"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title=title, title_justify="left")
    table.add_column("model", width=min(NAME, width // 2), no_wrap=True, overflow="ellipsis")
    table.add_column("cases", justify="right")
    for city in fitting:
        table.add_column(Text(printable(city)), justify="right", max_width=CITY, no_wrap=True, overflow="ellipsis")
    rows = standing.rows()
    for name, means, cases in rows[:room]:
        cells = [numbers.amount(means.get(city), standing.unit) for city in fitting]
        table.add_row(Text(printable(name)), str(cases), *cells)
    if len(rows) > room:
        table.caption = f"and {len(rows) - room} more rows"
    return table


def _duration(seconds: float) -> str:
    """Format a time to wait: 40 s, 3 min, 2 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
