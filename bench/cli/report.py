"""bench report: a run's leaderboard again, from its records alone; as a page, as figures; the page of all results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bench.leaderboard import Leaderboard
    from bench.records.manifest import RunContent


@dataclass(frozen=True)
class More:
    """What is written beside the leaderboard. data: files of real people, as --data has them."""

    html: bool = False
    figures: bool = False
    data: str | None = None


def report_command(
    folder: Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/zero_shot; with --index, one of many.")],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write leaderboard and records there; scores of single users only where all people are synthetic."
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write report.html too: one page that needs no network.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Write figures (SVG, PNG, PDF) and tables (Markdown, CSV, LaTeX) too.")
    ] = False,
    index: Annotated[
        bool, typer.Option("--index", help="Write index.html: all runs and studies of the folder.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="humob:FOLDER, to see single real users on a page for this machine.")
    ] = None,
) -> None:
    """Make a leaderboard again, from its records. Written into the run's folder unless --to names another."""
    from rich.console import Console

    console = Console()
    if index:
        from bench.report.page import write

        _say(console, write.index(folder))
    elif html and (folder / "trials.csv").is_file():
        from bench.report.page import write

        _say(console, write.of_study(folder))
    else:
        make_report(folder, console, to, More(html, figures, data))


def make_report(folder: Path, console: Console, to: Path | None = None, more: More | None = None) -> int:
    """Print and write a run's leaderboard; return the number of failed cases. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard import build
    from bench.records.manifest import publish, read_run
    from bench.report import csvtable, markdown, published, terminal
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
        _draw(content, found, to)
    terminal.show(report, console)
    records = " and the records" if published_too else ""
    _say(console, f"{target / 'leaderboard.md'}, leaderboard.csv{records}")
    if more and (more.html or more.figures):
        _write_more(content, found, target, more, console, published=published_too)
    return sum(gap.status == "failed" for gap in found.gaps)


def _draw(content: RunContent, found: Leaderboard, folder: Path) -> None:
    """Draw the figure of accuracy and seconds, where what draws is installed."""
    from bench.report.charts import files

    if files.available():
        from bench.report import figures

        figures.accuracy(content, found, folder)


def _write_more(
    content: RunContent, found: Leaderboard, folder: Path, more: More, console: Console, *, published: bool
) -> None:
    from bench.report.charts import files

    if more.html:
        files.require("--html")
        from bench.report.page import write

        _say(console, write.of_run(content, found, folder, published=published, data=more.data))
    if more.figures:
        files.require("--figures")
        from bench.report import figures

        made = figures.write(content, found, folder / "figures")
        _say(console, f"{folder / 'figures'}: {len(made)} files")


def _say(console: Console, what: object) -> None:
    console.print(f"Written: {what}", style="dim", markup=False, highlight=False)
