"""What the comparisons say in words: sentences computed from a board's paired samples, none written by hand.

What is said of several cities together is followed by what each city shows alone; a leak stays beside the model's name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from bench.leaderboard import Board, Leaderboard, Metric, Row, difference
from bench.report import numbers
from bench.report.score_table import over
from bench.report.tables import Table, make_table

MOST = 6  # names that a sentence lists
WORDS = {1: "significantly better", 0: "no significant difference", -1: "significantly worse"}


def findings(found: Leaderboard) -> list[tuple[Board, list[str]]]:
    """Return the sentences for every board on which two models can be compared, the headline first."""
    boards = [board for board in found.boards if len(board.ranked) > 1 and found.main in board.ranked[0].figures]
    return [(board, list(_of_board(board, found.metrics[found.main]))) for board in boards]


def _of_board(board: Board, main: Metric) -> Iterator[str]:
    yield _leader(board, main)
    yield from _floor(board, main)
    yield from _does_learning_pay(board, main)
    for row in board.rows:
        if row.shape_without_places:
            names = " and ".join(map(numbers.title, row.shape_without_places))
            yield f"{named(row)}: right shape, wrong places; among the best by {names}, among the worst by GEO-BLEU."
        if row.beyond:
            yield f"{named(row)}: too good to be true in {' and '.join(map(numbers.title, row.beyond))}."
    given_up = [row.model for row in board.rows if row.lineage.rejected and not row.lineage.learned]
    if given_up:
        yield f"{'; '.join(given_up)}: fine-tuning was rejected on validation in every fit, so the row is the start."
    readers = [row.label for row in board.rows if row.lineage.histories]
    if readers and len(readers) < len(board.rows):
        yield f"{'; '.join(readers)} learned from the test users' histories too; the others did not."


def named(row: Row) -> str:
    """Name a row, and where it may have met the test people before."""
    return f"{row.label} (leak: {'; '.join(row.leaks)})" if row.leaks else row.label


def _leader(board: Board, main: Metric) -> str:
    """Say who leads, who cannot be told from the leader, and what of that a city alone does not show."""
    best, *rest = board.ranked
    beaten = [row for row in rest if board.standing(best, row, main.name)]
    level = [named(row) for row in rest if row not in beaten]
    mean = numbers.amount(best.figures[main.name].mean, main.unit)
    head = f"{named(best)} has the best {numbers.title(main.name)}: {mean}."
    if not level:
        whom = "the other model" if len(rest) == 1 else f"all {len(rest)} others"
        tail = f"It is significantly better than {whom}."
    else:
        whom = named(beaten[0]) if len(beaten) == 1 else f"the other {len(beaten)}"
        over_whom = f"; it is significantly better than {whom}" if beaten else ""
        tail = f"It cannot be told apart from {_some(level)}{over_whom}."
    return " ".join([head, tail, *_alone(best, beaten, main)])


def _some(names: Sequence[str]) -> str:
    """List names; of many the first few."""
    if len(names) <= MOST:
        return "; ".join(names)
    return f"{'; '.join(names[: MOST - 1])} and {len(names) - MOST + 1} more"


def _alone(best: Row, beaten: Sequence[Row], main: Metric) -> Iterator[str]:
    """Say in which cities alone a lead over several cities is not clear."""
    told = []
    for city, mine in best.towns.items():
        if unclear := [named(row) for row in beaten if not _clear(mine, row.towns[city], main)]:
            told.append(f"{_some(unclear)} (in {city})")
    if told:
        yield f"In one city alone the interval of the difference includes zero for {', '.join(told)}."


def _floor(board: Board, main: Metric) -> Iterator[str]:
    """Say which models are better than the best floor row, and how many are not."""
    floor = board.best_floor(main)
    if floor is None:
        return
    others = [row for row in board.ranked if row.key != floor.key]
    better = [row for row in others if board.standing(row, floor, main.name) > 0]
    worse = sum(board.standing(row, floor, main.name) < 0 for row in others)
    if better:
        told = "; ".join(f"{named(row)} {_difference(row, floor, main)}" for row in better)
        yield f"Significantly better than the best floor row, {floor.model}: {told}."
    level = len(others) - len(better) - worse
    yield (
        f"{'Of the others' if better else f'No model is significantly better than the best floor row, {floor.model}'}: "
        f"{level} cannot be told apart from it, {worse} {'is' if worse == 1 else 'are'} significantly worse."
    )


def _does_learning_pay(board: Board, main: Metric) -> Iterator[str]:
    """Compare the best model that learned from other people (pretraining counts) with the best that did not."""
    learned = [row for row in board.ranked if row.lineage.learned or row.lineage.seen]
    plain = [row for row in board.ranked if not (row.lineage.fits or row.lineage.seen)]
    if not learned or not plain:
        return
    first, second = (max(rows, key=lambda row: main.sign * row.figures[main.name].mean) for rows in (learned, plain))
    if second.floor and second is board.best_floor(main) and board.standing(first, second, main.name) > 0:
        return  # said of the floor
    verdict = WORDS[board.standing(first, second, main.name)]
    yield (
        f"The best that learned from other people against the best that did not: {named(first)} minus {second.label} "
        f"{_difference(first, second, main)}, {verdict}."
    )


def _difference(row: Row, other: Row, metric: Metric) -> str:
    """Return a difference with its interval, then that of each city alone where there are several."""
    whole = numbers.signed_span(*difference(row, other, metric.name), metric.unit)
    towns = [
        f"{city} {numbers.signed_span(*difference(mine, other.towns[city], metric.name), metric.unit)}"
        for city, mine in row.towns.items()
        if city in other.towns
    ]
    return f"{whole} ({', '.join(towns)})" if towns else whole


def _clear(row: Row, other: Row, metric: Metric) -> bool:
    """Does the interval of the difference leave zero out?"""
    _, low, high = difference(row, other, metric.name)
    return low > 0 or high < 0


def disagreements(found: Leaderboard) -> list[tuple[Board, Table]]:
    """Return a table where two versions of one metric disagree about the leader and another model, by board.

    Of the headline alone, where there is one.
    """
    boards = [found.overall] if found.overall and len(found.overall.ranked) > 1 else list(found.cities)
    tables = []
    for board in boards:
        if rows := list(_version_changes(board, found)):
            title = f"Where two versions of a metric disagree about {board.ranked[0].label}"
            columns = [("model", False), ("under", False), ("difference", True)]
            columns += [("but under", False), ("difference", True)]
            notes = ["▲ significantly better, ▼ significantly worse than it; no mark: they cannot be told apart."]
            tables.append((board, make_table(title, columns, rows, notes)))
    return tables


def _version_changes(board: Board, found: Leaderboard) -> Iterable[list[str]]:
    """Lay out each model whose standing against the leader differs between two versions of a metric."""
    if len(board.ranked) < 2:
        return
    best = board.ranked[0]
    families = defaultdict(list)
    for name in found.versions:
        if name in best.samples:
            families[name.partition("@")[0]].append(found.metrics[name])
    for old, new in (pair for versions in families.values() for pair in pairwise(versions)):
        for row in board.ranked[1:]:
            if old.name not in row.samples or new.name not in row.samples:
                continue
            if board.standing(row, best, old.name) != board.standing(row, best, new.name):
                yield [row.label, *(t for m in (old, new) for t in (numbers.title(m.name), over(board, row, best, m)))]
