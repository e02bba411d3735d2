"""bench report: leaderboards, pages, figures, comparisons of runs and data frames, from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.leaderboard import Leaderboard
    from bench.records.manifest import RunContent


@dataclass(frozen=True)
class More:
    """What else to write than the leaderboard. data: files of real people, as in --data."""

    html: bool = False
    figures: bool = False
    data: str | None = None


def report_command(
    folders: Annotated[list[Path], typer.Argument(help="A run's folder, e.g. runs/zero_shot; several are compared.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Publish leaderboard and records there; per-user scores only if all people are synthetic."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Also write report.html, one page that needs no network.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Also write figures (SVG, PNG, PDF) and tables (Markdown, CSV, LaTeX).")
    ] = False,
    index: Annotated[
        bool, typer.Option("--index", help="Write index.html, with all runs and studies in the folder.")
    ] = False,
    data: Annotated[
        str | None, typer.Option(help="humob:FOLDER: show single real users on the page, for this machine only.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier run: show what changed since, and whether beyond chance.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Write the run's data frames to this folder, as Parquet.")] = None,
    claims: Annotated[
        Path | None,
        typer.Option(help="Test published claims against the records; write the result to this Markdown file."),
    ] = None,
) -> None:
    """Rebuild a leaderboard from its records. Written to the run's folder, or to --to.

    Several runs, or one --against an earlier one, are compared over the cases they share.
    """
    from rich.console import Console

    console, more = Console(), More(html, figures, data)
    runs = [*([against] if against else []), *folders]
    alone = [name for name, given in {"--index": index, "--export": export, "--claims": claims}.items() if given]
    if alone and len(runs) > 1:
        raise UserError(f"{alone[0]} takes one folder; give one, without --against")
    if index:
        from bench.report.page import write

        _say(console, write.index(folders[0]))
    elif len(runs) > 1:
        make_comparison(runs, console, to, ("earlier", "now") if against and len(runs) == 2 else ())
    elif export:
        export_frames(folders[0], console, export)
    elif claims:
        make_claims(folders[0], console, claims)
    elif html and (folders[0] / "trials.csv").is_file():
        from bench.report.page import write

        _say(console, write.of_study(folders[0]))
    else:
        make_report(folders[0], console, to, more)


def make_comparison(
    folders: Sequence[Path], console: Console, to: Path | None = None, names: Sequence[str] = ()
) -> None:
    """Print runs side by side, with differences to the first one. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard.compare import compare
    from bench.records.manifest import read_run
    from bench.report import comparison, markdown, terminal

    found = compare([read_run(folder) for folder in folders], names)
    report = comparison.lay_out(found)
    terminal.show(report, console)
    if to:
        write_text(to / "comparison.md", markdown.render(report))
        write_text(to / "comparison.csv", comparison.render_csv(found))
        _say(console, f"{to / 'comparison.md'}, comparison.csv")


def export_frames(folder: Path, console: Console, to: Path) -> None:
    """Write a run's data frames as Parquet. Raises UserError."""
    from bench.records.export import export
    from bench.records.manifest import read_run

    content = read_run(folder)
    names = export(content, to)
    if any(record.data and not record.data.synthetic for record in content.records):
        console.print("These files hold scores and answers of real people: do not share them.", style="bold")
    _say(console, f"{to}: {', '.join(names)}")


def make_claims(folder: Path, console: Console, to: Path) -> None:
    """Test published claims against a run's records. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard import build
    from bench.records.manifest import read_run
    from bench.report import claims, markdown, published, terminal

    content = read_run(folder)
    command = f"bench report {folder.as_posix()} --claims {to.as_posix()}"
    report = claims.lay_out(build(content.records, folder), content.records, published.read())
    if not report.findings:
        raise UserError(f"--claims: {folder} ranks no two models that a published claim compares; run more models")
    title, _, rest = markdown.render(report).partition("\n\n")
    write_text(to, f"{title}\n\nMade by `{command}`.\n\n{rest}")
    terminal.show(report, console)
    _say(console, str(to))


def make_report(folder: Path, console: Console, to: Path | None = None, more: More | None = None) -> int:
    """Print and write a run's leaderboard; return the number of failed cases. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard import build
    from bench.records.manifest import publish, read_run
    from bench.report import csvtable, markdown, published, terminal
    from bench.report.layout import lay_out

    content = read_run(folder)
    published_too = to is not None and to.resolve() != folder.resolve()
    if published_too:
        content = replace(content, records=tuple(record.for_others() for record in content.records))
    found = build(content.records, folder)
    report = lay_out(content, found, published.read())
    target = to or folder
    write_text(target / "leaderboard.md", markdown.render(report))
    write_text(target / "leaderboard.csv", csvtable.render(found))
    write_text(target / "slices.csv", csvtable.render_parts(found))
    if to and published_too:
        publish(content, to)
        _draw(content, found, to)
    terminal.show(report, console)
    records = " and the records" if published_too else ""
    _say(console, f"{target / 'leaderboard.md'}, leaderboard.csv, slices.csv{records}")
    if more and (more.html or more.figures):
        _write_more(content, found, target, more, console, published=published_too)
    return sum(gap.status == "failed" for gap in found.gaps)


def _draw(content: RunContent, found: Leaderboard, folder: Path) -> None:
    """Draw accuracy against seconds, if the drawing packages are installed."""
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
