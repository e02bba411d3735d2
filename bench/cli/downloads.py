"""Progress of downloads, as commands show it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 15.0


class Bar:
    """Progress of downloads: bars on a terminal, else a line every 15 seconds."""

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {}  # type: ignore[var-annotated]
        self._last = time.monotonic()

    def __enter__(self) -> Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Show the progress of a file."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            of = f" of {total / 1e6:,.0f}" if total else ""
            self._console.print(f"{name}: {done / 1e6:,.0f}{of} MB", markup=False, highlight=False, soft_wrap=True)
