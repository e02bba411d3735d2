"""bench data convert: rows, conversations and raw points.

Conversations are prompts and answers for language models, in the format of Llama-Mob's paper (arXiv 2410.23692).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.data.files.blocks import Points
    from bench.data.world import Window


def convert_command(
    source: Annotated[Path, typer.Argument(help="Rows (uid,d,t,x,y), conversations (.json) or raw points.")],
    target: Annotated[Path, typer.Argument(help="The file to write; its ending sets the format.")],
    from_day: Annotated[int, typer.Option(help="Number of the first day in the source.")] = 0,
    to_day: Annotated[int, typer.Option(help="Number of the first day in the target.")] = 0,
    to: Annotated[Literal["rows", "conversations"], typer.Option(help="rows or conversations.")] = "rows",
    history: Annotated[tuple[int, int], typer.Option(help="First and last day shown in a question.")] = (0, 59),
    horizon: Annotated[tuple[int, int], typer.Option(help="First and last day asked for.")] = (60, 74),
    ask: Annotated[bool, typer.Option("--ask", help="Leave the answers out.")] = False,
    template: Annotated[Path | None, typer.Option(help="Take wording and layout from this conversation file.")] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Layout of raw points: geolife, foursquare, ... (docs/datasets.md); else detected."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="For raw points: KEY=VALUE, e.g. cell_m=1000; repeatable.")
    ] = None,
) -> None:
    """Convert rows, conversations or raw points.

    Raw points become a city: its rows, grid and calendar, and a report of what was dropped.
    """
    from bench.cli.data.points import convert_to_city, holds_points
    from bench.data.world import Window

    if layout or overrides or holds_points(source):
        convert_to_city(source, target, layout or "found", overrides or ())
    elif to == "rows":
        _to_rows(source, target, from_day, to_day)
    else:
        _to_conversations(source, target, from_day, Window(history, horizon), ask=ask, template=template)


def _to_rows(source: Path, target: Path, from_day: int, to_day: int) -> None:
    """Convert a file of rows uid,d,t,x,y, or of conversations, to rows; print their number. Raises UserError."""
    from bench.data.convert import convert

    rows = convert(source, target, from_day=from_day, to_day=to_day, conversations=_read_conversations)
    days = "" if from_day == to_day else f"; days now count from {to_day}"
    _say(f"{target}: {rows:,} rows{days}")


def _to_conversations(
    source: Path, target: Path, from_day: int, window: Window, *, ask: bool, template: Path | None
) -> None:
    """Convert a file of rows to conversations, with or without answers; print their number. Raises UserError."""
    from bench.data.convert import read_source
    from models.llama_mob.prompts.conversations import conversations_of, paper_template, write_conversations

    if target.suffix != ".json":
        raise UserError(f"{target}: conversations need the ending .json")
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
    left = f"; users left out, without rows in history or horizon: {users - written:,}" if users > written else ""
    _say(f"{target}: {written:,} conversations {'without answers' if ask else 'with answers'}{left}")


def _read_conversations(path: Path) -> Points:
    """Read conversations as rows; only this imports the model's code."""
    from models.llama_mob.prompts.conversations import points_of

    return points_of(path)


def _say(line: str) -> None:
    from rich.console import Console

    Console().print(line, markup=False, highlight=False, soft_wrap=True)
