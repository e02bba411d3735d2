"""A leaderboard as plain tables of text: what terminal and Markdown print alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.leaderboard import Board, Figure, Leaderboard, Metric
from bench.leaderboard.lineage import Lineage
from bench.report import numbers
from bench.report.numbers import NONE
from bench.report.origins import learned_from


class Named(Protocol):
    """What rows of all tables say of a model."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def lineage(self) -> Lineage: ...  # noqa: D102


@dataclass(frozen=True)
class Table:
    """A title, columns (head, whether it holds figures), rows of text, and notes below.

    The columns "model" and "learned from" name a row. A cell may hold an interval after a space and an opening
    bracket; a head may hold a line break.
    """

    title: str
    heads: tuple[str, ...]
    figures: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


FORMULA = ("=", "+", "-", "@")  # a spreadsheet takes a cell that begins so for a formula
NAMES = (("model", False), ("learned from", False))


def make_table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()
) -> Table:
    """Build a table from (head, is a figure) pairs."""
    heads, figures = zip(*columns, strict=True)
    return Table(title, heads, figures, tuple(tuple(row) for row in rows), tuple(notes))


def name(row: Named) -> list[str]:
    """Return the two cells that name a row: the model, and what it learned from, so that kinds never mix in silence."""
    return [row.model, learned_from(row.lineage)]


def figure_parts(cell: str) -> list[str]:
    """Take a figure and what stands in brackets behind it apart."""
    figure, bracket, interval = cell.partition(" [")
    return [figure, f"[{interval}"] if bracket else [figure]


def plain(text: str) -> str:
    """Return text from outside on one line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def sheet(text: str) -> str:
    """Return text from outside for a CSV file, on one line; no spreadsheet takes it for a formula.

    An apostrophe goes before = + - @ (OWASP, CSV Injection).
    """
    line = plain(text)
    return f"'{line}" if line[:1] in FORMULA else line


def unsheet(text: str) -> str:
    """Return what :func:`sheet` was given, on one line."""
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA else text


def where(board: Board) -> str:
    """Name the cities of a board, and how many users they are."""
    one = len(board.cities) == 1
    cities = f"City {board.cities[0]}" if one else f"Mean over cities {', '.join(board.cities)}"
    return f"{cities}: {board.users} user{'s' if board.users != 1 else ''}"


def heading(metric: Metric) -> str:
    """Name a metric, its direction and unit in a column head of two lines."""
    unit, arrow = " km" if metric.unit == "km" else "", "↑" if metric.better == "higher" else "↓"
    first, bracket, rest = numbers.title(metric.name).partition(" (")
    return f"{first}{unit} {arrow}\n{bracket.strip()}{rest}" if rest else f"{first}{unit}\n{arrow}"


def typical(found: Leaderboard, board: Board) -> Table:
    """Medians over users and win rates against the reference."""
    versions = [found.metrics[name] for name in found.versions]
    columns = [*NAMES]
    for metric in versions:
        columns += [(heading(metric), True), ("wins", True)]
    rows = []
    for row in board.rows:
        cells = name(row)
        for metric in versions:
            figure = row.figures.get(metric.name)
            cells += [numbers.amount(figure.median, metric.unit), numbers.share(figure.wins)] if figure else [NONE] * 2
        rows.append(cells)
    notes = ["Medians over users."]
    if found.reference:
        notes = [f"Medians over users; wins: share of users on which a row beats {found.reference} (draws count half)."]
    if len(board.cities) > 1:
        notes.append("Each is computed in a city, then averaged over the cities.")
    return make_table("Medians and win rates", columns, rows, notes)


def seeds(found: Leaderboard) -> Table | None:
    """How far seeds lie apart, beside what users leave open within one; None where no row has several."""
    if not found.seeds:
        return None
    versions = [found.metrics[name] for name in found.versions]
    agree = any(row.agreement is not None for row in found.seeds)
    columns = [*NAMES, ("city", False), ("seeds", True), *([("same\ncells", True)] if agree else [])]
    for metric in versions:
        columns += [(f"{heading(metric).rpartition(' ')[0]}\nbetween", True), ("\nwithin", True)]
    rows = []
    for row in found.seeds:
        cells = [*name(row), row.city, str(row.seeds), *([numbers.share(row.agreement)] if agree else [])]
        for metric in versions:
            spread = row.metrics.get(metric.name)
            pair = (spread.between, spread.within) if spread else (None, None)
            cells += [numbers.spread(value, metric.unit) for value in pair]
        rows.append(cells)
    notes = [
        "Between: standard deviation of the seeds' means. Within: standard error of one seed's mean over its users. "
        "Seeds that lie far closer together than users leave open say little of a model; more users would."
    ]
    if agree:
        notes.append("Same cells: share of points that two seeds answer alike, mean over users and pairs of seeds.")
    return make_table("Seeds", columns, rows, notes)


def further(found: Leaderboard, board: Board, at_once: int = 5) -> list[Table]:
    """The means of the other metrics, a few a table."""
    tables = []
    for first in range(0, len(found.further), at_once):
        metrics = [found.metrics[name] for name in found.further[first : first + at_once]]
        columns = [*NAMES, *((heading(metric), True) for metric in metrics)]
        rows = [name(row) + [_mean(row.figures.get(metric.name), metric) for metric in metrics] for row in board.rows]
        tables.append(make_table("Further metrics", columns, rows, ["Means over users."]))
    return tables


def groups(found: Leaderboard, board: Board) -> list[Table]:
    """The main metric by group of users, one table a kind of group."""
    main = found.metrics[found.main]
    figures = [row.groups.get(main.name, {}) for row in board.rows]
    names = list(dict.fromkeys(name for of in figures for name in of))
    tables = []
    for kind in dict.fromkeys(name.rpartition("_")[0] for name in names):
        members = [name for name in names if name.rpartition("_")[0] == kind]
        columns = [*NAMES]
        shown = [member.rpartition("_")[2] for member in members]
        columns += [(head, True) for head in shown]
        rows = [
            name(row) + [numbers.amount(of.get(member), main.unit) for member in members]
            for row, of in zip(board.rows, figures, strict=True)
        ]
        title = f"{numbers.title(main.name)} by {kind.replace('_', ' ')} of users"
        notes = ["q1 to q4: quarters of the users of a city, from the lowest to the highest."] if "q1" in shown else []
        tables.append(make_table(title, columns, rows, notes))
    return tables


def misses(found: Leaderboard, board: Board) -> Table | None:
    """What rows with unanswered queries score when a miss counts as the worst answer; None if there are none."""
    rows = [row for row in board.rows if row.coverage is not None and row.coverage < 1]
    versions = [found.metrics[name] for name in found.versions]
    if not rows:
        return None
    columns = [*NAMES, ("coverage", True)]
    columns += [(heading(metric), True) for metric in versions]
    cells = [
        [*name(row), numbers.share(row.coverage)]
        + [_as_zero(row.figures.get(metric.name), metric) for metric in versions]
        for row in board.rows
        if row in rows
    ]
    fallback = " or ".join(found.facts.fallbacks)
    note = (
        f"Filled by the fallback ({fallback}), then in brackets with every miss counted as the worst answer there is."
    )
    return make_table("Rows with unanswered queries", columns, cells, [note])


def _mean(figure: Figure | None, metric: Metric) -> str:
    return numbers.amount(figure.mean, metric.unit) if figure else NONE


def _as_zero(figure: Figure | None, metric: Metric) -> str:
    if figure is None or figure.misses_as_zero is None:
        return NONE
    return f"{numbers.amount(figure.mean, metric.unit)} [{numbers.amount(figure.misses_as_zero, metric.unit)}]"
