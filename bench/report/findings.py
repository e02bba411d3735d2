"""What the comparisons say in words: sentences computed from a board's paired samples, none written by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from bench.leaderboard import Board, Leaderboard, Metric, Row, difference
from bench.report.numbers import amount, signed_span


def findings(found: Leaderboard) -> tuple[str, ...]:
    """Return the sentences for the headline, or for every city where there is no headline."""
    boards = [found.overall] if found.overall and len(found.overall.ranked) > 1 else found.cities
    return tuple(sentence for board in boards for sentence in _of_board(board, found))


def _of_board(board: Board, found: Leaderboard) -> Iterable[str]:
    if len(board.ranked) < 2 or found.main not in board.ranked[0].figures:
        return
    *others, last = board.cities
    where = f"In {' and '.join([', '.join(others), last] if others else [last])} ({board.users} users)"
    yield f"{where}: {_best(board, found.metrics[found.main])}"
    for sentence in (
        _does_learning_pay(board, found.metrics[found.main]),
        *_version_changes(board, found),
        *_shapes(board),
        _kinds(board),
    ):
        if sentence:
            yield f"{where}: {sentence}"


def _best(board: Board, main: Metric) -> str:
    """Say who leads, and who cannot be told from the leader."""
    best, *rest = board.ranked
    level = [row.label for row in rest if not _apart(best, row, main)]
    mean = amount(best.figures[main.name].mean, main.unit)
    tail = f"level with it by a paired comparison: {_listed(level)}" if level else "it beats every other ranked model"
    return f"{best.label} has the best {main.name} ({mean}); {tail}."


def _does_learning_pay(board: Board, main: Metric) -> str | None:
    """Compare the best model that learned from others (pretraining counts) with the best that did not."""
    learned = [row for row in board.ranked if row.training or row.seen]
    plain = [row for row in board.ranked if not (row.training or row.seen)]
    if not learned or not plain:
        return None
    first, second = (max(rows, key=lambda row: main.sign * row.figures[main.name].mean) for rows in (learned, plain))
    return f"the best that learned from others against the best that did not: {_verdict(first, second, main)}."


def _version_changes(board: Board, found: Leaderboard) -> Iterable[str]:
    """Say where two versions of one metric disagree about the leader and another model, one sentence a verdict."""
    best = board.ranked[0]
    families = defaultdict(list)
    for name in found.versions:
        if name in best.samples:
            families[name.partition("@")[0]].append(found.metrics[name])
    for versions in families.values():
        for old, new in pairwise(versions):
            for row in board.ranked[1:]:
                if old.name not in row.samples or new.name not in row.samples:
                    continue
                if _standing(row, best, old) != _standing(row, best, new):
                    yield f"under {old.name}, {_verdict(row, best, old)}; under {new.name}, {_verdict(row, best, new)}."


def _shapes(board: Board) -> Iterable[str]:
    for row in board.rows:
        if row.shape_without_places:
            names = " and ".join(row.shape_without_places)
            yield f"{row.label} is among the best by {names} and among the worst by GEO-BLEU: shape without places."


def _kinds(board: Board) -> str | None:
    """Say that models which saw the test users' histories while learning stand beside models that did not."""
    groups: Mapping[str, list[str]] = defaultdict(list)
    for row in board.rows:
        groups[row.learns_from].append(row.label)
    if "test histories" not in groups or len(groups) == 1:
        return None
    return f"{_listed(groups['test histories'])} learned from the test users' histories too; the others did not."


def _standing(row: Row, other: Row, metric: Metric) -> int:
    """+1 if row is better than other beyond chance, -1 if worse, 0 if level."""
    _, low, high = difference(row, other, metric.name)
    above = 1 if low > 0 else -1 if high < 0 else 0
    return int(above * metric.sign)


def _apart(row: Row, other: Row, metric: Metric) -> bool:
    return _standing(row, other, metric) != 0


def _verdict(row: Row, other: Row, metric: Metric) -> str:
    """Put a paired comparison in words, with the difference and its interval."""
    mean, low, high = difference(row, other, metric.name)
    span = signed_span(mean, low, high, metric.unit)
    standing = _standing(row, other, metric)
    words = {1: "beats", -1: "is behind", 0: "is level with"}[standing]
    return f"{row.label} {words} {other.label} ({span})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
