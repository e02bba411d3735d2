"""A report as Markdown that reads well on GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tabulate import tabulate

from bench.report.layout import Report, Section
from bench.report.tables import Table, figure_parts, plain

_SPECIAL = re.compile(r"[\\`*\[\]<|~&$]|(?<!\w)_|_(?!\w)|^[#>+-]")
_INTERVAL = re.compile(r"\[[-+\d., –]+\]")


def render(report: Report) -> str:
    """Return the whole report; the same records give the same bytes."""
    parts = [f"# {escape(report.title)}", _list(report.lines)]
    for section in (*report.boards[:1], *report.findings, *report.facts, *report.boards[1:]):
        parts += _section(section)
    return "\n\n".join(part for part in parts if part) + "\n"


def render_table(table: Table) -> str:
    """Return one table as a page of its own."""
    return "\n\n".join([f"# {escape(table.title)}", _table(table), _list(table.notes)]) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", plain(text))


def _section(section: Section) -> list[str]:
    parts = [f"## {escape(section.title)}", _list(section.lines)]
    for i, table in enumerate((*section.tables, *section.more)):
        if i or table.title != section.title:
            parts.append(f"**{escape(table.title)}**")
        parts += [_table(table), _list(table.notes)]
    return parts


def _table(table: Table) -> str:
    heads = [escape(head) for head in table.heads]
    rows = [[_cell(cell, figure) for cell, figure in zip(row, table.figures, strict=True)] for row in table.rows]
    align = ["right" if figure else "left" for figure in table.figures]
    return tabulate(rows, headers=heads, tablefmt="pipe", colalign=align, disable_numparse=True)


def _cell(text: str, figure: bool) -> str:
    """Escape a cell; an interval goes on a line of its own, so that four figures fit a page."""
    if not figure:
        return escape(text)
    parts = [part if _INTERVAL.fullmatch(part) else escape(part) for part in figure_parts(text)]
    return "<br>".join(part.replace(" ", "&nbsp;") for part in parts)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)
