"""bench report: a run's leaderboard again, runs side by side, data frames; from records alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def report_command(
    folders: Annotated[
        list[Path], typer.Argument(help="A run's folder, e.g. runs/zero_shot; several lie side by side.")
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write leaderboard and records there; scores of single users only where all people are synthetic."
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier run: say what moved since, and whether by chance.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Write the run's data frames there, as Parquet.")] = None,
    claims: Annotated[
        Path | None, typer.Option(help="Write there what the records say of the field's own sentences (Markdown).")
    ] = None,
) -> None:
    """Make a leaderboard again, from its records. Written into the run's folder unless --to names another.

    Several runs, or one --against an earlier one, are compared over the cases that they share.
    """
    from rich.console import Console

    runs = [*([against] if against else []), *folders]
    if (export or claims) and len(runs) > 1:
        raise UserError("--export and --claims are of one run at a time; name one, without --against")
    if len(runs) > 1:
        make_comparison(runs, Console(), to, ("earlier", "now") if against and len(runs) == 2 else ())
    elif export:
        export_frames(folders[0], Console(), export)
    elif claims:
        make_claims(folders[0], Console(), claims)
    else:
        make_report(folders[0], Console(), to)


def make_comparison(
    folders: Sequence[Path], console: Console, to: Path | None = None, names: Sequence[str] = ()
) -> None:
    """Print runs side by side, the first being what differences are to. Raises UserError."""
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
        _written(console, f"{to / 'comparison.md'}, comparison.csv")


def export_frames(folder: Path, console: Console, to: Path) -> None:
    """Write a run's data frames as Parquet. Raises UserError."""
    from bench.records.export import export
    from bench.records.manifest import read_run

    content = read_run(folder)
    names = export(content, to)
    if any(record.data and not record.data.synthetic for record in content.records):
        console.print("These files hold scores and answers of real people: keep them to yourself.", style="bold")
    _written(console, f"{to}: {', '.join(names)}")


def make_claims(folder: Path, console: Console, to: Path) -> None:
    """Say what a run's records say of the field's own sentences. Raises UserError."""
    from bench.files import write_text
    from bench.leaderboard import build
    from bench.records.manifest import read_run
    from bench.report import claims, markdown, published, terminal

    content = read_run(folder)
    command = f"bench report {folder.as_posix()} --claims {to.as_posix()}"
    report = claims.lay_out(build(content.records, folder), content.records, published.read())
    if not report.findings:
        raise UserError(f"--claims: {folder} ranks no two models that the sentences are about; run others beside them")
    title, _, rest = markdown.render(report).partition("\n\n")
    write_text(to, f"{title}\n\nMade by `{command}`.\n\n{rest}")
    terminal.show(report, console)
    _written(console, str(to))


def _written(console: Console, what: str) -> None:
    console.print(f"Written: {what}", style="dim", markup=False, highlight=False)


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
    _written(console, f"{target / 'leaderboard.md'}, leaderboard.csv{records}")
    return sum(gap.status == "failed" for gap in found.gaps)
