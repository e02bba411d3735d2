"""bench report: a run's leaderboard again, from its records alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console


def report_command(
    folder: Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/zero_shot.")],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write leaderboard and records there; scores of single users only where all people are synthetic."
        ),
    ] = None,
) -> None:
    """Make a leaderboard again, from its records. Written into the run's folder unless --to names another."""
    from rich.console import Console

    make_report(folder, Console(), to)


def make_report(folder: Path, console: Console, to: Path | None = None) -> int:
    """Print and write a run's leaderboard; return the number of failed cases. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard import build
    from bench.records.manifest import publish, read_run
    from bench.report import csvtable, figure, markdown, published, terminal
    from bench.report.layout import lay_out

    content = read_run(folder)
    found = build(content.records, folder)
    report = lay_out(content, found, published.read())
    target = to or folder
    write_text(target / "leaderboard.md", markdown.render(report))
    write_text(target / "leaderboard.csv", csvtable.render(found))
    published_too = to is not None and to.resolve() != folder.resolve()
    if to and published_too:
        publish(content, to)
        if importlib.util.find_spec("matplotlib"):
            figure.draw(found, to)
    terminal.show(report, console)
    records = " and the records" if published_too else ""
    written = f"Written: {target / 'leaderboard.md'}, leaderboard.csv{records}"
    console.print(written, style="dim", markup=False, highlight=False)
    return sum(gap.status == "failed" for gap in found.gaps)
