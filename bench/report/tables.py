"""A leaderboard as plain tables of text: what terminal and Markdown print alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.leaderboard import Board, Figure, Leaderboard, Metric, Row
from bench.report import numbers
from bench.report.numbers import NONE

KINDS = {"nothing": "nothing", "train users": "", "test histories": " + test histories"}


@dataclass(frozen=True)
class Table:
    """A title, columns (head, whether it holds figures), rows of text, and notes below.

    A cell may hold an interval after a space and an opening bracket; narrow terminals break the line there.
    """

    title: str
    heads: tuple[str, ...]
    figures: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def make_table(
    title: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()
) -> Table:
    """Build a table from (head, is a figure) pairs."""
    heads, figures = zip(*columns, strict=True)
    return Table(title, heads, figures, tuple(tuple(row) for row in rows), tuple(notes))


def learned_from(row_training: str, learns_from: str) -> str:
    """Name what a model learned from, so that kinds are never mixed in silence."""
    return "nothing" if learns_from == "nothing" else row_training + KINDS[learns_from]


def where(board: Board) -> str:
    """Name the cities of a board."""
    if len(board.cities) == 1:
        return f"City {board.cities[0]}"
    return f"Mean over cities {', '.join(board.cities)}"


def heading(metric: Metric) -> str:
    """Name a metric's version, direction and unit in a column head."""
    unit = f" {metric.unit}" if metric.unit == "km" else ""
    return f"{numbers.title(metric.name)}{unit} {'↑' if metric.better == 'higher' else '↓'}"


def scores(found: Leaderboard, board: Board) -> Table:
    """Ranks and the main figures with intervals."""
    versions = [found.metrics[name] for name in found.versions]
    columns = [("#", True), ("model", False), ("learned from", False)]
    columns += [(heading(metric), True) for metric in versions] + [("flags", False)]
    shared = Counter(row.rank(found.main) for row in board.ranked)
    rows = [
        (
            _rank(row.rank(found.main), shared),
            row.model,
            learned_from(row.training, row.learns_from),
            *(_with_interval(row.figures.get(metric.name), metric) for metric in versions),
            ", ".join(tag for tag, _ in flags(row)),
        )
        for row in board.rows
    ]
    title = f"{where(board)}: {board.users} users"
    return make_table(title, columns, rows, _score_notes(found, board))


def flags(row: Row) -> list[tuple[str, str]]:
    """Return what a reader must know of a row: (tag, sentence)."""
    marks = []
    if row.unranked:
        marks.append(("unranked", row.unranked))
    if row.leaks:
        marks.append(("leak", "; ".join(row.leaks)))
    if row.learns_from == "test histories":
        marks.append(("hist", "learned from the test users' histories too"))
    if row.shape_without_places:
        names = " and ".join(numbers.title(name) for name in row.shape_without_places)
        marks.append(("shape", f"shape without places: among the best by {names}, among the worst by GEO-BLEU"))
    return marks


def _score_notes(found: Leaderboard, board: Board) -> list[str]:
    main = found.metrics[found.main]
    notes = [
        f"Ranked by {numbers.title(main.name)}; rows share a rank (=) where a paired bootstrap over users "
        "sees no difference. [95 % interval of the mean]."
    ]
    seen = [
        f"{numbers.title(name)} {numbers.amount(spread.median, found.metrics[name].unit)} "
        f"({numbers.amount(spread.smallest, found.metrics[name].unit)} to "
        f"{numbers.amount(spread.largest, found.metrics[name].unit)})"
        for name in found.versions
        if (spread := board.detectable.get(name))
    ]
    if seen:
        notes.append(
            f"Differences that {board.users} users show in 4 repeats of 5, median pair (range over pairs): "
            f"{', '.join(seen)}."
        )
    notes += [f"{tag}: {row.label}: {sentence}." for row in board.rows for tag, sentence in flags(row) if tag != "hist"]
    if any(row.learns_from == "test histories" for row in board.rows):
        notes.append("hist: learned from the test users' histories too; the other rows did not.")
    if any(row.seeds > 1 for row in board.rows):
        several = [f"{row.label} {row.seeds}" for row in board.rows if row.seeds > 1]
        notes.append(f"Seeds, where several (intervals over users and seeds): {', '.join(several)}.")
    notes += [f"Left out: {label}: {reason}." for label, reason in board.left_out]
    return notes


def typical(found: Leaderboard, board: Board) -> Table:
    """Medians over users and win rates against the reference."""
    versions = [found.metrics[name] for name in found.versions]
    columns = [("model", False), ("learned from", False)]
    for metric in versions:
        columns += [(f"{heading(metric)} median", True), ("wins", True)]
    rows = []
    for row in board.rows:
        cells = [row.model, learned_from(row.training, row.learns_from)]
        for metric in versions:
            figure = row.figures.get(metric.name)
            cells += [numbers.amount(figure.median, metric.unit), numbers.share(figure.wins)] if figure else [NONE] * 2
        rows.append(cells)
    notes = ["Medians over users."]
    if found.reference:
        notes = [f"Medians over users; wins: share of users on which a row beats {found.reference} (draws count half)."]
    if len(board.cities) > 1:
        notes.append("Each is computed in a city, then averaged over the cities.")
    return make_table(f"{where(board)}: medians and win rates", columns, rows, notes)


def further(found: Leaderboard, board: Board, at_once: int = 5) -> list[Table]:
    """The means of the other metrics, a few a table."""
    tables = []
    for first in range(0, len(found.further), at_once):
        metrics = [found.metrics[name] for name in found.further[first : first + at_once]]
        columns = [("model", False), ("learned from", False), *((heading(metric), True) for metric in metrics)]
        rows = [
            [row.model, learned_from(row.training, row.learns_from)]
            + [_mean(row.figures.get(metric.name), metric) for metric in metrics]
            for row in board.rows
        ]
        tables.append(make_table(f"{where(board)}: further metrics", columns, rows, ["Means over users."]))
    return tables


def groups(found: Leaderboard, board: Board) -> list[Table]:
    """The main metric by group of users, one table a kind of group."""
    names = list(dict.fromkeys(name for row in board.rows for name in row.groups))
    main = found.metrics[found.main]
    tables = []
    for kind in dict.fromkeys(name.rpartition("_")[0] for name in names):
        members = [name for name in names if name.rpartition("_")[0] == kind]
        columns = [("model", False), ("learned from", False)]
        columns += [(name.rpartition("_")[2], True) for name in members]
        rows = [
            [row.model, learned_from(row.training, row.learns_from)]
            + [numbers.amount(row.groups.get(name), main.unit) for name in members]
            for row in board.rows
        ]
        title = f"{where(board)}: {numbers.title(main.name)} by {kind.replace('_', ' ')} of users"
        tables.append(make_table(title, columns, rows))
    return tables


def misses(found: Leaderboard, board: Board) -> Table | None:
    """What rows with unanswered queries score when a miss counts as the worst answer; None if there are none."""
    rows = [row for row in board.rows if row.coverage is not None and row.coverage < 1]
    versions = [found.metrics[name] for name in found.versions]
    if not rows:
        return None
    columns = [("model", False), ("learned from", False), ("coverage", True)]
    columns += [(heading(metric), True) for metric in versions]
    cells = [
        [row.model, learned_from(row.training, row.learns_from), numbers.share(row.coverage)]
        + [_as_zero(row.figures.get(metric.name), metric) for metric in versions]
        for row in board.rows
        if row in rows
    ]
    fallback = " or ".join(found.facts.fallbacks)
    note = (
        f"Filled by the fallback ({fallback}), then in brackets with every miss counted as the worst answer there is."
    )
    return make_table(f"{where(board)}: rows with unanswered queries", columns, cells, [note])


def _rank(rank: int | None, shared: Counter[int | None]) -> str:
    if rank is None:
        return NONE
    return f"{rank}=" if shared[rank] > 1 else str(rank)


def _with_interval(figure: Figure | None, metric: Metric) -> str:
    if figure is None:
        return NONE
    return f"{numbers.amount(figure.mean, metric.unit)} {numbers.span(figure.low, figure.high, metric.unit)}"


def _mean(figure: Figure | None, metric: Metric) -> str:
    return numbers.amount(figure.mean, metric.unit) if figure else NONE


def _as_zero(figure: Figure | None, metric: Metric) -> str:
    if figure is None or figure.misses_as_zero is None:
        return NONE
    return f"{numbers.amount(figure.mean, metric.unit)} [{numbers.amount(figure.misses_as_zero, metric.unit)}]"
