"""Figures and tables of a run as files for papers: SVG, PNG and PDF; Markdown, CSV and LaTeX (booktabs)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from tabulate import tabulate

from bench.files import write_text
from bench.leaderboard import Board, Leaderboard, difference
from bench.leaderboard.panel import names
from bench.records.manifest import RunContent
from bench.report import layout, markdown, numbers, published
from bench.report.charts import files, intervals
from bench.report.charts.style import Spec
from bench.report.page import content, parts, settings, views
from bench.report.tables import Table, plain, sheet

NAME = "accuracy.svg"
SIZE = (760, 430)  # pixels


def accuracy(read: RunContent, found: Leaderboard, folder: Path) -> Path | None:
    """Write accuracy against seconds as SVG; return its path, or None where fewer than two rows have a cost."""
    spec = _by_cost(read, found, "seconds")
    if spec is None:
        return None
    write_text(folder / NAME, files.svg(spec))
    return folder / NAME


def write(read: RunContent, found: Leaderboard, folder: Path) -> list[Path]:
    """Write all figures and tables of a run into a folder; return the files."""
    made = []
    for name, spec in charts(read, found):
        made += files.write(spec, folder / f"{_file(name)}.svg")
    report = layout.lay_out(read, found, published.read())
    for section in (*report.boards, *report.findings, *report.facts):
        for table in (*section.tables, *section.more):
            made += list(_tables(table, folder / _file(f"{section.title} {table.title}"[:90])))
    return made


def charts(read: RunContent, found: Leaderboard) -> Iterator[tuple[str, Spec]]:
    """Yield the charts of a run's headline, by name."""
    view, board = content.view_of(read, found, names(read.records)), found.boards[0]
    for cost in views.COSTS:
        if spec := _by_cost(read, found, cost):
            yield f"accuracy-{cost}", spec
    yield "ranking", _forest(view, board, found)
    if spec := _differences(view, board, found):
        yield "differences", spec
    yield from parts.charts(view, board, found.metrics[found.main])
    for one in settings.sweeps(read.records, found.metrics[found.main]):
        yield one["title"], one["spec"]
    if losses := settings.losses(read.records, view.marks):
        yield "losses", losses


def _by_cost(read: RunContent, found: Leaderboard, cost: str) -> Spec | None:
    view = content.view_of(read, found, names(read.records))
    return views.by_cost(views.rows_of(view, found.boards[0]), found.metrics[found.main], cost, SIZE)


def _forest(view: views.View, board: Board, found: Leaderboard) -> Spec:
    rows = [
        {**view.drawn(row, board), "value": figure.mean, "low": figure.low, "high": figure.high}
        for row in board.rows
        if (figure := row.figures.get(found.main)) and not row.unranked
    ]
    return intervals.forest(rows, views.metric_title(found.metrics[found.main]), zero=False)


def _differences(view: views.View, board: Board, found: Leaderboard) -> Spec | None:
    """Draw the paired differences to the best floor row; None where there is none."""
    metric = found.metrics[found.main]
    floor = board.best_floor(metric)
    if floor is None or len(board.ranked) < 2:
        return None
    rows = []
    for row in board.ranked:
        if row.key != floor.key and metric.name in row.samples:
            spread = zip(("value", "low", "high"), difference(row, floor, metric.name), strict=True)
            rows.append({**view.drawn(row, board), **dict(spread)})
    title = f"difference to {floor.model}, {numbers.title(metric.name)}"
    return intervals.forest(rows, title, zero=True)


def _tables(table: Table, path: Path) -> Iterator[Path]:
    """Write a table as Markdown, CSV and LaTeX (booktabs)."""
    texts = {"md": markdown.render_table(table), "csv": _csv(table), "tex": latex(table)}
    for kind, text in texts.items():
        write_text(path.with_name(f"{path.name}.{kind}"), text)
        yield path.with_name(f"{path.name}.{kind}")


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([sheet(head) for head in table.heads])
    for row in table.rows:
        writer.writerow([plain(c) if figure else sheet(c) for c, figure in zip(row, table.figures, strict=True)])
    return text.getvalue()


def latex(table: Table) -> str:
    """Return a table for a paper that loads booktabs; every character of LaTeX's own is escaped."""
    heads = [plain(head) for head in table.heads]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    align = ["right" if figure else "left" for figure in table.figures]
    body = tabulate(rows, headers=heads, tablefmt="latex_booktabs", colalign=align, disable_numparse=True)
    return _signs(body) + "\n"


def _signs(text: str) -> str:
    """Write the signs of our tables as LaTeX has them."""
    signs = {
        "–": "--",
        "▲": r"$\blacktriangle$",
        "▼": r"$\blacktriangledown$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    }
    return "".join(signs.get(letter, letter) for letter in text)


def _file(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
