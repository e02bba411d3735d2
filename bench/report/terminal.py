"""A report on a terminal: details first, the headline last, so that it stands on screen when the command ends.

Where a table is too wide, an interval goes below its figure and what a model learned from behind its name; a table that
is still too wide is split, its names repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from bench.report.layout import Report, Section
from bench.report.numbers import NONE
from bench.report.tables import Table, figure_parts, plain

_NAME = 24  # columns that a name gets before it is wrapped
_GAP = 2


def show(report: Report, console: Console) -> None:
    """Print the report."""
    for section in (*report.boards[1:], *report.facts):
        _section(section, console)
    for said in report.findings[1:]:
        _section(said, console)
    for headline in report.boards[:1]:
        _headline(headline, console)
    for said in report.findings[:1]:
        _section(said, console)
    console.print(Rule(Text(plain(report.title), style="bold"), align="left", style="dim"))
    _lines(report.lines, console)


def _section(section: Section, console: Console) -> None:
    _heading(section, console)
    for table in section.tables:
        print_table(table, console, titled=table.title != section.title)


def _headline(section: Section, console: Console) -> None:
    """Print all of a section, its first table last."""
    _heading(section, console)
    for table in reversed((*section.tables, *section.more)):
        print_table(table, console)


def _heading(section: Section, console: Console) -> None:
    console.print(Rule(Text(plain(section.title), style="bold"), align="left", style="dim"))
    _lines(section.lines, console)


def print_table(table: Table, console: Console, *, titled: bool = True) -> None:
    """Print one table with its notes, in parts if it is too wide."""
    if titled:
        console.print(Text(plain(table.title), style="bold"))
    whole = split(table, console.width, stacked=False)
    narrow = len(whole) > 1
    for i, part in enumerate(split(one_name(table), console.width, stacked=True) if narrow else whole):
        console.print(*([""] if i else []), _grid(part, stacked=narrow), sep="\n")
    _lines(table.notes, console)
    console.print()


def one_name(table: Table) -> Table:
    """Write what a model learned from behind its name; nothing for a model that learned from nothing."""
    if "learned from" not in table.heads:
        return table
    at = table.heads.index("learned from")

    def merge(cells: tuple[str, ...], head: bool = False) -> tuple[str, ...]:
        text = cells[at - 1] if cells[at] == "nothing" else f"{cells[at - 1]}: {cells[at]}"
        return (*cells[: at - 1], "model: learned from" if head else text, *cells[at + 1 :])

    rows = tuple(merge(row) for row in table.rows)
    figures = table.figures[:at] + table.figures[at + 1 :]
    return replace(table, heads=merge(table.heads, head=True), figures=figures, rows=rows)


def split(table: Table, width: int, *, stacked: bool) -> list[Table]:
    """Split a table by columns into parts that fit, about equally wide, each with the columns up to the name."""
    names = next((i for i, figure in enumerate(table.figures) if not figure), 0) + 1
    needed = [_needed(table, i, stacked) + _GAP for i in range(len(table.heads))]
    room = width + _GAP - sum(needed[:names])

    def fill(most: int) -> list[list[int]]:
        parts: list[list[int]] = [[]]
        for i in range(names, len(table.heads)):
            if parts[-1] and (len(parts[-1]) == most or sum(needed[j] for j in (*parts[-1], i)) > room):
                parts.append([])
            parts[-1].append(i)
        return parts

    columns = len(table.heads) - names
    fewest = len(fill(columns))
    parts = min((fill(most) for most in range(-(-columns // fewest), columns + 1)), key=len)
    return [_columns(table, [*range(names), *part]) for part in parts]


def _needed(table: Table, column: int, stacked: bool) -> int:
    """The columns of the screen that a column cannot do without."""
    figure = table.figures[column]
    parts = [figure_parts(row[column]) if figure else [row[column]] for row in table.rows]
    cells = [text for part in parts for text in (part if stacked else [" ".join(part)])]
    longest = max(cell_len(line) for line in [*table.heads[column].split("\n"), *cells])
    return longest if figure else min(longest, _NAME)


def _columns(table: Table, chosen: list[int]) -> Table:
    return replace(
        table,
        heads=tuple(table.heads[i] for i in chosen),
        figures=tuple(table.figures[i] for i in chosen),
        rows=tuple(tuple(row[i] for i in chosen) for row in table.rows),
    )


def _grid(table: Table, *, stacked: bool) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="cyan")
    grid.show_header = any(table.heads)
    for i, (head, figure) in enumerate(zip(table.heads, table.figures, strict=True)):
        grid.add_column(
            Text("\n".join(map(plain, head.split("\n")))),
            justify="right" if figure else "left",
            no_wrap=figure,
            min_width=_needed(table, i, stacked),
        )
    for row in table.rows:
        ranked = table.heads[0] == "#"
        style = "dim" if ranked and row[0] == NONE else "bold" if ranked and row[0].partition("–")[0] == "1" else ""
        cells = [
            _cell(text, stacked) if figure else Text(plain(text))
            for text, figure in zip(row, table.figures, strict=True)
        ]
        grid.add_row(*cells, style=style)
    return grid


def _cell(text: str, stacked: bool) -> Text:
    """A figure; its interval dim, and below it where there is no room."""
    figure, *interval = figure_parts(text)
    if not interval:
        return Text(plain(figure))
    return Text.assemble(plain(figure), "\n" if stacked else " ", (plain(interval[0]), "dim not bold"))


def _lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(Text(f"· {plain(line)}"), style="dim")
