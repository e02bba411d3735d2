"""Checking and filling of answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy

from bench.data.trajectories import INVALID, MISSING, OK, Answers, Queries, Trajectories
from bench.data.world import Grid
from bench.evaluation.answers import WrongAnswers, check, fill

GRID = Grid()


def _queries(*rows: tuple[int, int, int]) -> Queries:
    uid, d, t = (np.array(column) for column in zip(*rows, strict=True))
    return Queries.build(("A",), city=np.zeros(len(rows)), uid=uid, d=d, t=t)


def _history(*rows: tuple[int, int, int, int, int]) -> Trajectories:
    uid, d, t, x, y = (np.array(column) for column in zip(*rows, strict=True))
    return Trajectories.build(("A",), city=np.zeros(len(rows)), uid=uid, d=d, t=t, x=x, y=y)


QUERIES = _queries((1, 60, 0), (1, 60, 5), (2, 60, 1))


def test_cells_outside_the_grid_become_invalid() -> None:
    answers = check(Answers.of(np.array([0, 200, 5]), np.array([1, 200, 201])), QUERIES, GRID)
    assert answers.status.tolist() == [INVALID, OK, INVALID]


def test_a_missing_answer_is_not_called_invalid_for_its_cell() -> None:
    given_answers = Answers.of(np.zeros(3), np.zeros(3), np.array([MISSING, MISSING, OK]))
    assert check(given_answers, QUERIES, GRID).status.tolist() == [MISSING, MISSING, INVALID]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(1, 1)] * 3, "list"),
        (Answers.of(np.ones(2), np.ones(2)), r"x of shape \(2,\) for 3 queries"),
        (Answers(np.array([1.0, np.nan, 1.0]), np.ones(3, np.int16), np.zeros(3, np.int8)), "float64"),
        (Answers.of(np.ones(3), np.ones(3), np.array([0, 7, 0])), "status"),
    ],
)
def test_what_is_no_list_of_answers_is_refused_by_name(answers: object, words: str) -> None:
    with pytest.raises(WrongAnswers, match=words):
        check(answers, QUERIES, GRID)


def test_gaps_take_the_last_known_cell_and_are_counted() -> None:
    history = _history((1, 0, 0, 7, 8), (1, 0, 1, 7, 8), (1, 1, 0, 3, 4), (2, 0, 0, 9, 9))
    answers = Answers.of(np.array([10, 0, 0]), np.array([10, 0, 0]), np.array([OK, INVALID, MISSING]))
    filled = fill(answers, history, QUERIES, "last_cell", GRID)
    assert filled.x.tolist() == [10, 3, 9]
    assert filled.y.tolist() == [10, 4, 9]
    assert filled.missed.tolist() == [False, True, True]
    assert (filled.invalid, filled.missing) == (1, 1)


def test_the_mode_can_be_the_fallback_and_a_stranger_gets_the_middle() -> None:
    history = _history((1, 0, 0, 7, 8), (1, 0, 1, 7, 8), (1, 1, 0, 3, 4))
    answers = Answers.of(np.zeros(3), np.zeros(3), np.full(3, MISSING))
    filled = fill(answers, history, QUERIES, "user_mode", GRID)
    assert filled.x.tolist() == [7, 7, 100]
    assert filled.y.tolist() == [8, 8, 100]


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(-300, 300), st.sampled_from([0, 1, 2])), min_size=1))
def test_after_filling_every_query_has_a_cell_and_good_answers_stand(rows: list[tuple[int, int, int]]) -> None:
    queries = _queries(*((1, 60 + i // 48, i % 48) for i in range(len(rows))))
    x, y, status = (np.array(column) for column in zip(*rows, strict=True))
    checked = check(Answers.of(x, y, status), queries, GRID)
    filled = fill(checked, _history((1, 0, 0, 50, 60)), queries, "last_cell", GRID)
    assert ((filled.x >= 1) & (filled.x <= 200) & (filled.y >= 1) & (filled.y <= 200)).all()
    good = checked.status == OK
    assert (filled.x[good] == x[good]).all()
    assert (filled.missed == ~good).all()
    assert filled.invalid + filled.missing == filled.missed.sum()


NUMBERS = st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "f2", "f4", "f8"])


@given(numpy.arrays(NUMBERS.map(np.dtype), 6), numpy.arrays(NUMBERS.map(np.dtype), 6))
def test_answers_of_any_type_are_kept_or_invalid_and_never_wrap(x: np.ndarray, y: np.ndarray) -> None:
    answers = check(Answers.of(x, y), _queries(*((1, 60, t) for t in range(6))), GRID)
    for i, cell in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        inside = all(1 <= value <= 200 and value == int(value) for value in cell)
        assert answers.status[i] == (OK if inside else INVALID)
        if inside:
            assert (answers.x[i], answers.y[i]) == cell


def test_what_would_wrap_or_be_cut_is_invalid() -> None:
    x = np.array([65541, 5.7, np.nan, np.inf, -65531, 5.0])
    answers = check(Answers.of(x, np.full(6, 5)), _queries(*((1, 60, t) for t in range(6))), GRID)
    assert answers.status.tolist() == [INVALID] * 5 + [OK]
    assert answers.x[5] == 5


def test_a_missing_answer_stays_missing_whatever_its_cell() -> None:
    assert Answers.of(np.array([np.nan]), np.array([70_000]), np.array([MISSING])).status.tolist() == [MISSING]


@pytest.mark.parametrize("status", [256, -256, 1 << 32, 3, 0.5])
def test_a_status_that_is_none_does_not_become_ok(status: float) -> None:
    with pytest.raises(WrongAnswers, match="status"):
        check(Answers.of(np.ones(3), np.ones(3), np.array([0, status, 0])), QUERIES, GRID)


@pytest.mark.parametrize("column", [np.array(["5"] * 3), np.array([5, None, 5]), np.ones(3, bool), np.ones(3, complex)])
def test_arrays_without_numbers_are_refused(column: np.ndarray) -> None:
    with pytest.raises(TypeError, match="whole numbers are needed"):
        Answers.of(column, np.ones(3))
