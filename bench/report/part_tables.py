"""Tables of parts and crowds: the main metric by slice of the points, and divergences of all users together."""

from __future__ import annotations

from collections.abc import Iterator

from bench.evaluation.metrics import CORPUS
from bench.leaderboard import Board, Leaderboard
from bench.report import numbers
from bench.report.tables import NAMES, Table, make_table, name

ABOUT = {
    "step": "stay: the user's cell is that of the point before; move: it is another",
    "cell": "visited: the user's history holds the cell; new: it does not",
    "day_type": "off: weekends and holidays",
}


def of(found: Leaderboard, board: Board) -> Iterator[Table]:
    """Yield the tables for which the records hold figures. By hour and day: ``read_run(...).slices``."""
    yield from _by_part(found, board)
    yield from _divergences(board)


def _by_part(found: Leaderboard, board: Board) -> Iterator[Table]:
    keys = [key for key in _keys(found, board) if key.partition("=")[0] in ABOUT]
    if keys:
        title = f"{numbers.title(found.main)} by part of the points"
        notes = [f"{text}." for kind, text in ABOUT.items() if any(key.startswith(f"{kind}=") for key in keys)]
        yield _table(found, board, title, keys, [*notes, "A part's score is the metric of its points alone."])


def _keys(found: Leaderboard, board: Board) -> list[str]:
    return list(dict.fromkeys(key for row in board.rows for key in row.slices.get(found.main, {})))


def _table(found: Leaderboard, board: Board, title: str, keys: list[str], notes: list[str]) -> Table:
    unit = found.metrics[found.main].unit
    columns = [*NAMES, *((key.partition("=")[2], True) for key in keys)]
    slices = [row.slices.get(found.main, {}) for row in board.rows]
    rows = [
        name(row) + [numbers.amount(of.get(key), unit) for key in keys]
        for row, of in zip(board.rows, slices, strict=True)
    ]
    return make_table(title, columns, rows, notes)


def _divergences(board: Board) -> Iterator[Table]:
    """The divergences of MoveSim; none in records that were made before they were."""
    names = [metric for metric in CORPUS if any(metric in row.corpus for row in board.rows)]
    if names:
        columns = [*NAMES, *((numbers.title(metric).removeprefix("JSD "), True) for metric in names)]
        rows = [name(row) + [numbers.amount(row.corpus.get(metric), "") for metric in names] for row in board.rows]
        notes = ["Of all users together, 0 to 0.693, lower is better. They do not see who is where when."]
        yield make_table("Jensen-Shannon divergence from the true movement", columns, rows, notes)
