"""bench data fetch, bench data convert: challenge files from the network, and between formats.

Conversations are those of language models: files as the code of Llama-Mob's paper (arXiv 2410.23692) publishes them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bench.data.world import Window
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.data.files.blocks import Points

LINE_EVERY_S = 15.0


def fetch_command(name: str, folder: Path, url: str | None = None) -> None:
    """Download a challenge's files and say where they are. Raises UserError."""
    from bench.data.files.fetch import fetch

    console = Console(stderr=True)
    with Bar(console) as bar:
        paths = fetch(name, folder, url, bar)
    out = Console()
    for path in paths:
        out.print(f"{path}  {path.stat().st_size:,} bytes", markup=False, highlight=False, soft_wrap=True)
    out.print(f"all checksums agree; use it with --data humob:{folder}", markup=False, highlight=False, soft_wrap=True)


def convert_command(source: Path, target: Path, from_day: int = 0, to_day: int = 0) -> None:
    """Convert a file of rows uid,d,t,x,y, or of conversations, to rows; say how many there are. Raises UserError."""
    from bench.data.convert import convert

    rows = convert(source, target, from_day=from_day, to_day=to_day, conversations=_read_conversations)
    days = "" if from_day == to_day else f"; days count from {to_day} now"
    _say(f"{target}: {rows:,} rows{days}")


def converse_command(
    source: Path, target: Path, from_day: int, window: Window, *, ask: bool, template: Path | None
) -> None:
    """Convert a file of rows to conversations, with answers or to ask; say how many there are. Raises UserError."""
    from bench.data.convert import read_source
    from models.llama_mob.prompts.conversations import conversations_of, paper_template, write_conversations

    if target.suffix != ".json":
        raise UserError(f"{target}: the ending must be .json for conversations")
    (first, seen), (ahead, last) = window.history, window.horizon
    if not 0 <= first <= seen < ahead <= last:
        raise UserError(f"--history {first} {seen} --horizon {ahead} {last}: the horizon must follow the history")
    words = paper_template(template)
    points = read_source(source, from_day=from_day, conversations=_read_conversations)
    users = len({*points.visible.users, *points.masked.users})
    try:
        written = write_conversations(target, conversations_of(points, window, words, answered=not ask))
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror or error})") from None
    left = f"; {users - written:,} users without rows in both parts of the window left out" if users > written else ""
    _say(f"{target}: {written:,} conversations {'to ask' if ask else 'with answers'}{left}")


def _read_conversations(path: Path) -> Points:
    """Read conversations as rows; the model's own code is imported for files of conversations only."""
    from models.llama_mob.prompts.conversations import points_of

    return points_of(path)


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


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
        """Show how far a file is."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)
        if not self._console.is_terminal and time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            of = f" of {total / 1e6:,.0f}" if total else ""
            self._console.print(f"{name}: {done / 1e6:,.0f}{of} MB", markup=False, highlight=False, soft_wrap=True)
