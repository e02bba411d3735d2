"""A report on a terminal: details first, the headline last, so that it stands on screen when the command ends."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from bench.report.layout import Report, Section
from bench.report.tables import Table

ONE_LINE = 150  # columns from which a figure and its interval fit on one line


def show(report: Report, console: Console) -> None:
    """Print the report."""
    headline, *cities = report.boards or (None,)
    for section in cities:
        _section(section, console)
    for section in report.facts:
        _section(section, console)
    if headline:
        _section(headline, console)
    _section(report.findings, console)
    console.print(Text(report.title, style="bold"))
    _lines(report.lines, console)


def _section(section: Section, console: Console) -> None:
    console.print(Rule(Text(section.title, style="bold"), align="left", style="dim"))
    _lines(section.lines, console)
    for table in section.tables:
        _table(table, console)


def _table(table: Table, console: Console) -> None:
    """Print a table; where it is too wide, figures and intervals share a column's two lines, then columns are split."""
    stacked = console.width < ONE_LINE
    grid = RichTable(
        title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for head, figure in zip(table.heads, table.figures, strict=True):
        grid.add_column(Text(head), justify="right" if figure else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(_cell(text, stacked) for text in row))
    console.print(grid)
    _lines(table.notes, console)


def _cell(text: str, stacked: bool) -> Text:
    """A cell without markup; an interval dim, and below its figure where there is no room."""
    figure, bracket, interval = " ".join(text.split()).partition(" [")
    if not bracket:
        return Text(figure)
    return Text.assemble(figure, "\n" if stacked else " ", (f"[{interval}", "dim"))


def _lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f"· {' '.join(line.split())}", style="dim"))
