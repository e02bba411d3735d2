"""Progress of long work: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

LINE_EVERY_S = 15.0


class Progress(Protocol):
    """What the runner tells about its work."""

    def start(self, total: int, done: int) -> None:
        """So many cases, so many of them done before."""

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """A job is so far with something (user, epoch)."""

    def finish(self, job: str, cases: int) -> None:
        """A job ended, and so many cases with it."""

    def say(self, text: str) -> None:
        """A line for the reader."""

    def stop(self) -> None:
        """Leave the terminal as it was."""


class Bars:
    """One bar for all cases with the time left, one for what each worker does."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._all: TaskID | None = None
        self._jobs: dict[str, TaskID] = {}

    def start(self, total: int, done: int) -> None:
        """Show the bar of all cases."""
        self._progress.start()
        self._all = self._progress.add_task("cases", total=total, completed=done)

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """Show or move a job's bar."""
        if job not in self._jobs:
            self._jobs[job] = self._progress.add_task(job, total=total)
        self._progress.update(
            self._jobs[job], description=f"{job}: {label}"[:70], completed=int(done), total=int(total)
        )

    def finish(self, job: str, cases: int) -> None:
        """Take a job's bar away."""
        if job in self._jobs:
            self._progress.remove_task(self._jobs.pop(job))
        if self._all is not None:
            self._progress.advance(self._all, cases)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False)

    def stop(self) -> None:
        """Remove the bars."""
        self._progress.stop()


class Lines:
    """Plain lines: when a job ends, and every 15 seconds while one goes on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0
        self._began = self._last = time.monotonic()

    def start(self, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._total, self._done, self._began = total, done, time.monotonic()
        self.say(f"{total} cases, {done} of them done before")

    def step(self, job: str, label: str, done: float, total: float) -> None:
        """Say where a job is, now and then."""
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            self.say(f"  {job}: {label} {done:g}/{total:g}")

    def finish(self, job: str, cases: int) -> None:
        """Say that a job ended."""
        self._done += cases
        self._last = time.monotonic()
        self.say(f"[{self._done}/{self._total}] {job} ({time.monotonic() - self._began:.0f} s)")

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing to tidy up."""


def make(console: Console) -> Progress:
    """Bars on a terminal, lines elsewhere."""
    return Bars(console) if console.is_terminal else Lines(console)
