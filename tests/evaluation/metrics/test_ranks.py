"""Ranked cells: accuracy@k and MRR by hand, and laws that hold for any list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.trajectories import Answers, Trajectories
from bench.data.world import Grid
from bench.evaluation.answers import WrongAnswers, check, fill
from bench.evaluation.metrics import RANKS, names, ranks_wanted, score_users

FOUR = ("accuracy_at_1@v1", "accuracy_at_5@v1", "accuracy_at_10@v1", "mrr_at_10@v1")


def truth(rows: int) -> Trajectories:
    columns = {name: np.zeros(rows, int) for name in ("city", "d")}
    return Trajectories.build(
        ("B",), **columns, uid=np.repeat(7, rows), t=np.arange(rows), x=np.arange(rows) + 1, y=np.full(rows, 3)
    )


def lists(*ranks: int) -> np.ndarray:
    """Lists of ten in which row i's true cell has this rank (0: nowhere); all else is another cell."""
    cells = np.full((len(ranks), RANKS, 2), 150, np.int16)
    for row, rank in enumerate(ranks):
        if rank:
            cells[row, rank - 1] = (row + 1, 3)
    return cells


def scores(ranked: np.ndarray | None, rows: int, missed: np.ndarray | None = None) -> list[float]:
    one = np.full(rows, 150)
    frame = score_users(one, one, truth(rows), FOUR, ranked=ranked, missed=missed)
    return [float(frame[name].iloc[0]) for name in FOUR]


def test_four_figures_by_hand() -> None:
    got = scores(lists(1, 2, 10, 0), 4)
    assert got == pytest.approx([1 / 4, 2 / 4, 3 / 4, (1 + 1 / 2 + 1 / 10) / 4])


def test_a_missed_row_has_no_rank() -> None:
    assert scores(lists(1, 1), 2, np.array([True, False])) == [0.5] * 4


def test_one_answer_is_a_list_of_one() -> None:
    table = truth(2)
    frame = score_users(np.array([1, 9]), np.array([3, 3]), table, FOUR)
    assert frame[list(FOUR)].iloc[0].tolist() == [0.5] * 4


@given(st.lists(st.integers(0, 10), min_size=1, max_size=9))
def test_more_places_never_lower_accuracy_and_mrr_lies_between(ranks: list[int]) -> None:
    one, five, ten, mrr = scores(lists(*ranks), len(ranks))
    assert one <= five <= ten
    assert one - 1e-12 <= mrr <= ten + 1e-12
    assert mrr == pytest.approx(sum(1 / r for r in ranks if r) / len(ranks))


def test_only_these_metrics_ask_models_to_rank() -> None:
    assert [name for name in names() if ranks_wanted((name,))] == list(FOUR)
    assert ranks_wanted(("geobleu@humob24", FOUR[1])) == RANKS


def test_filled_rows_have_the_fallback_alone_and_cells_off_the_grid_are_none() -> None:
    table = truth(2)
    cells = lists(2, 1)
    cells[1, 4] = (201, 3)
    said = replace(Answers.of(np.array([1, 0]), np.array([3, 0])), ranked=cells)
    given = check(said, table.queries(), Grid())
    assert given.ranked is not None
    assert given.ranked[1, 4].tolist() == [0, 0]
    filled = fill(given, table.take(slice(0, 1)), table.queries(), "last_cell", Grid())
    assert filled.ranked is not None
    assert filled.ranked[1].tolist() == [[1, 3], *[[0, 0]] * 9]
    assert filled.ranked[0, 1].tolist() == [1, 3]


@pytest.mark.parametrize("wrong", [np.zeros((2, 10)), np.zeros((3, 10, 2), int), np.zeros((2, 10, 2))])
def test_lists_of_another_shape_or_type_are_refused(wrong: np.ndarray) -> None:
    table = truth(2)
    said = Answers(np.ones(2, np.int16), np.ones(2, np.int16), np.zeros(2, np.int8), ranked=wrong)
    with pytest.raises(WrongAnswers, match="ranked of shape"):
        check(said, table.queries(), Grid())


def test_answers_of_models_that_rank_join_those_that_do_not() -> None:
    some = Answers(np.array([4]), np.array([5]), np.zeros(1, np.int8))
    more = Answers(np.array([1]), np.array([3]), np.zeros(1, np.int8), ranked=lists(2)[:, :3])
    joined = Answers.concat([some, more]).ranked
    assert joined is not None
    assert joined.tolist() == [[[4, 5], [0, 0], [0, 0]], [[150, 150], [1, 3], [150, 150]]]
