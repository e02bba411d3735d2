"""Nats a cell: what they are for distributions whose loss is known, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.trajectories import Trajectories
from bench.data.world import Grid
from bench.evaluation.probabilities import (
    FLOOR,
    AxisProbabilities,
    CellProbabilities,
    Probabilities,
    WrongProbabilities,
    check,
    losses,
)

GRID = Grid(width=7, height=5)


def cells(x: list[int], y: list[int]) -> Trajectories:
    """Return one user's rows, one a slot, at these cells."""
    n = len(x)
    zeros = np.zeros(n, np.int64)
    return Trajectories.build(("C",), city=zeros, uid=zeros, d=zeros, t=np.arange(n), x=np.array(x), y=np.array(y))


def listed(truth: Trajectories, p: list[list[float]], x: list[list[int]], y: list[list[int]]) -> Probabilities:
    """Check a table of cells."""
    return check(CellProbabilities(np.array(x), np.array(y), np.array(p)), truth.queries(), GRID)


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_uniform_guess_costs_the_logarithm_of_the_number_of_cells(width: int, height: int) -> None:
    grid, truth = Grid(width=width, height=height), cells([1, width], [height, 1])
    nothing = np.zeros((2, 0))
    by_cell = CellProbabilities(nothing.astype(int), nothing.astype(int), nothing)
    by_axis = AxisProbabilities(np.full((2, width), 1 / width), np.full((2, height), 1 / height))
    for guess in (by_cell, by_axis):
        found = losses(check(guess, truth.queries(), grid), truth, grid)
        np.testing.assert_allclose(found, np.log(width * height), rtol=1e-9)


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 5)), min_size=1, max_size=30))
def test_shares_of_counts_cost_the_entropy_of_the_counts(visits: list[tuple[int, int]]) -> None:
    """Who is asked for the very cells that were counted loses their entropy, but for the floor."""
    found, counts = np.unique(np.array(visits), axis=0, return_counts=True)
    shares = counts / counts.sum()
    truth = cells(*(list(column) for column in zip(*visits, strict=True)))
    table = [np.broadcast_to(column, (len(visits), len(found))) for column in (found[:, 0], found[:, 1], shares)]
    mean = losses(check(CellProbabilities(*table), truth.queries(), GRID), truth, GRID).mean()
    entropy = float(-(shares * np.log(shares)).sum())
    assert entropy - 0.05 <= mean <= entropy - np.log(1 - FLOOR) + 1e-9


def test_what_is_missing_to_one_lies_on_the_cells_that_are_not_listed() -> None:
    truth = cells([1, 2, 6], [1, 1, 3])
    table = listed(truth, [[0.5, 0.25, 0.0]] * 3, [[1, 2, 6]] * 3, [[1, 1, 3]] * 3)
    p = (1 - FLOOR) * np.array([0.5, 0.25, 0.25 / 33]) + FLOOR / 35
    np.testing.assert_allclose(losses(table, truth, GRID), -np.log(p))


def test_an_impossible_cell_costs_what_the_floor_leaves() -> None:
    truth = cells([3], [3])
    np.testing.assert_allclose(losses(listed(truth, [[1.0]], [[1]], [[1]]), truth, GRID), np.log(35 / FLOOR))


def test_y_is_read_given_x() -> None:
    truth, x, y = cells([2], [4]), np.zeros((1, 7)), np.zeros((1, 5))
    x[0, 1], x[0, 0], y[0, 3], y[0, 0] = 0.4, 0.6, 0.9, 0.1
    found = losses(check(AxisProbabilities(x, y), truth.queries(), GRID), truth, GRID)
    expected = -np.log((1 - FLOOR) * 0.4 + FLOOR / 7) - np.log((1 - FLOOR) * 0.9 + FLOOR / 5)
    np.testing.assert_allclose(found, expected)


@given(st.integers(0, 2**32 - 1))
def test_no_distribution_beats_the_one_that_is_true(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, other = rng.dirichlet(np.ones(35)), rng.dirichlet(np.ones(35))
    x, y = (axis.ravel() + 1 for axis in np.meshgrid(np.arange(7), np.arange(5), indexing="ij"))
    truth = cells(x.tolist(), y.tolist())

    def expected(p: np.ndarray) -> float:
        table = CellProbabilities(*(np.broadcast_to(column, (35, 35)) for column in (x, y, p)))
        return float(true @ losses(check(table, truth.queries(), GRID), truth, GRID))

    assert expected(true) <= expected(other) + 2 * FLOOR


@pytest.mark.parametrize(
    ("p", "x", "said"),
    [
        ([[0.7, 0.7]], [[1, 2]], "sum to 1.4"),
        ([[-0.1, 0.2]], [[1, 2]], "no probability"),
        ([[np.nan, 0.2]], [[1, 2]], "no probability"),
        ([[0.5, 0.5]], [[1, 1]], "stands twice"),
        ([[0.5, 0.5]], [[1, 8]], "outside 1..7"),
        ([[1, 0]], [[1, 2]], "floating-point"),
        ([[0.5, 0.5]] * 2, [[1, 2]] * 2, r"\(1, 2\) are needed"),
    ],
)
def test_what_is_no_distribution_is_refused(p: list[list[float]], x: list[list[int]], said: str) -> None:
    truth = cells([1], [1])
    with pytest.raises(WrongProbabilities, match=said):
        listed(truth, p, x, [[1] * len(row) for row in x])


def test_axes_that_do_not_sum_to_one_are_refused() -> None:
    truth = cells([1], [1])
    with pytest.raises(WrongProbabilities, match="sum to 2"):
        check(AxisProbabilities(np.full((1, 7), 2 / 7), np.full((1, 5), 0.2)), truth.queries(), GRID)
    with pytest.raises(WrongProbabilities, match="not Cell- or AxisProbabilities"):
        check(np.ones(3), truth.queries(), GRID)
