"""The main table of a board: ranks, figures with intervals, the distance to the best floor row, and what to know."""

from __future__ import annotations

from bench.adapters.registry import FLOOR
from bench.evaluation.metrics import limit_of
from bench.leaderboard import Board, Detectable, Figure, Leaderboard, Metric, Row, difference
from bench.report import numbers, origins
from bench.report.numbers import NONE
from bench.report.tables import NAMES, Table, heading, make_table, name, where

UNRANKED = "unranked"
MARKS = {1: " ▲", 0: "", -1: " ▼"}


def scores(found: Leaderboard, board: Board) -> Table:
    """Ranks, the main figures with intervals, and the difference to the best floor row."""
    versions = [found.metrics[version] for version in found.versions]
    main, floor = found.metrics[found.main], board.best_floor(found.metrics[found.main])
    columns = [("#", True), *NAMES]
    columns += [(heading(metric), True) for metric in versions]
    columns += [(f"vs {floor.model}\n{numbers.title(main.name)}", True)] if floor else []
    columns += [("flags", False)]
    rows = []
    for row in board.rows:
        figure = row.figures.get(found.main)
        cells = [numbers.ranks(figure.ranks if figure else None), *name(row)]
        cells += [_with_interval(row.figures.get(metric.name), metric) for metric in versions]
        cells += [over(board, row, floor, main)] if floor else []
        rows.append([*cells, ", ".join(tag for tag, _ in flags(row) if tag != UNRANKED)])
    return make_table(where(board), columns, rows, _notes(found, board, floor))


def over(board: Board, row: Row, floor: Row, metric: Metric) -> str:
    """Return a row's paired difference to another, its verdict and interval; a dash for that one and the unranked."""
    if row.key == floor.key or row.unranked or metric.name not in row.samples:
        return NONE
    mean, low, high = difference(row, floor, metric.name)
    places = numbers.decimals(metric.unit)
    mark = MARKS[board.standing(row, floor, metric.name)]
    return f"{mean:+.{places}f}{mark} [{low:+.{places}f}, {high:+.{places}f}]"


def flags(row: Row) -> list[tuple[str, str]]:
    """Return what a reader must know of a row: (tag, sentence)."""
    marks = []
    if row.unranked:
        marks.append((UNRANKED, row.unranked))
    if row.leaks:
        marks.append(("leak", "; ".join(row.leaks)))
    if row.lineage.histories:
        marks.append(("hist", "learned from the test users' histories too"))
    if row.shape_without_places:
        names = " and ".join(numbers.title(metric) for metric in row.shape_without_places)
        marks.append(("shape", f"among the best by {names} and the worst by GEO-BLEU: right shape, wrong places"))
    if row.beyond:
        limits = " and ".join(f"{numbers.title(metric)} beyond {limit_of(metric)}" for metric in row.beyond)
        marks.append(
            ("too good", f"{limits}, which no logged or published model comes near: look for a way to the truth")
        )
    return marks


def _notes(found: Leaderboard, board: Board, floor: Row | None) -> list[str]:
    """Say how to read the first table, and of each what must be known of its rows."""
    first = board is found.boards[0]
    notes = _how_to_read(found, board, floor, whole=first)
    notes += origins.starts(board.rows, found.facts) if first else []
    notes += origins.touching(board.rows, found.facts)
    notes += [f"{tag}: {row.label}: {sentence}." for row in board.rows for tag, sentence in flags(row) if tag != "hist"]
    if any(row.lineage.histories for row in board.rows):
        notes.append("hist: learned from the test users' histories too; the other rows did not.")
    if any(row.seeds > 1 for row in board.rows):
        several = [f"{row.label} {row.seeds}" for row in board.rows if row.seeds > 1]
        notes.append(f"Seeds, where several (intervals over users and seeds): {', '.join(several)}.")
    return notes + [f"Left out: {label}: {reason}." for label, reason in board.left_out]


def _how_to_read(found: Leaderboard, board: Board, floor: Row | None, *, whole: bool) -> list[str]:
    """Say what ranks, brackets and the floor mean, and what so many users can show."""
    if board.fewest == 1:
        return ["One test user in a city: there are no intervals and no ranks, since nothing says how users differ."]
    holm = f", Holm correction over the {board.pairs} pairs of this table" if board.pairs > 1 else ""
    notes = [f"To be read as the first table{holm}."]
    if whole:
        notes = [
            f"Rank by {numbers.title(found.main)}: 1 + the number of models that are significantly better; 2–4 means 2 "
            "at best and 4 at worst, because these models cannot be told apart.",
            f"Significant: paired bootstrap over users, 5 % level{holm}. In brackets: 95 % intervals, not corrected.",
        ]
    if floor and whole:
        notes.append(
            f"vs {floor.model}: difference to the best floor row ({', '.join(FLOOR)}), paired over users; ▲ is "
            "significantly better, ▼ significantly worse."
        )
    elif board.ranked and not floor:
        notes.append(f"No floor row is here: {', '.join(FLOOR)} did not run.")
    if board.detectable:
        seen = [_detectable(found.metrics[m], board.detectable[m]) for m in found.versions if m in board.detectable]
        notes.append(
            f"Minimum detectable difference with {board.users} users (one pair, 5 % level, power 0.8), median over "
            f"pairs (range): {', '.join(seen)}."
        )
    return notes


def _detectable(metric: Metric, spread: Detectable) -> str:
    middle, low, high = (numbers.amount(v, metric.unit) for v in (spread.median, spread.smallest, spread.largest))
    unit = " km" if metric.unit == "km" else ""
    return f"{numbers.title(metric.name)} {middle}{unit}" + (f" ({low} to {high})" if low != high else "")


def _with_interval(figure: Figure | None, metric: Metric) -> str:
    if figure is None:
        return NONE
    return f"{numbers.amount(figure.mean, metric.unit)} {numbers.span(figure.low, figure.high, metric.unit)}".strip()
