"""Decoding finds days at least as good as all it starts from, whatever the order of the samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_decoding import best, worth

from bench.evaluation.decoding import OBJECTIVES, Objective, best_days, draw, from_samples, from_shares, nearest
from bench.evaluation.metrics.geobleu import ORDERS

AIMS = st.sampled_from([*OBJECTIVES.values(), Objective((0.3,), 0.0, 0.0), Objective((0.1, 0.1), 2.0, 0.5)])


@st.composite
def sampled(draw_: st.DrawFn, most_points: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw samples (samples, points) of one day, and the cells x, y; few cells, so that n-grams come again."""
    rng = np.random.default_rng(draw_(st.integers(0, 2**32 - 1)))
    samples, points, cells = draw_(st.integers(1, 9)), draw_(st.integers(1, most_points)), draw_(st.integers(1, 5))
    x, y = rng.choice(400, cells, replace=False) % 20 + 1, rng.integers(1, 20, cells)
    return rng.integers(0, cells, (samples, points)), x, y


@given(sampled(), AIMS)
def test_the_day_found_is_never_worse_than_a_sample(case: tuple[np.ndarray, ...], aim: Objective) -> None:
    samples, x, y = case
    found = best_days(samples, x, y, np.zeros(samples.shape[1]), aim)
    reached = worth(found, samples, x, y, aim, 0.5)
    assert reached >= max(worth(sample, samples, x, y, aim, 0.5) for sample in samples) - 1e-9
    if aim.proximity == aim.distance == 0.0:
        return  # then the answer point by point is any of the cells
    points = samples.shape[1]
    alone = Objective((), aim.proximity, aim.distance)
    by_point = np.array(
        [max(samples[:, i], key=lambda c: _point(c, samples[:, i], x, y, alone)) for i in range(points)]
    )
    assert reached >= worth(by_point, samples, x, y, aim, 0.5) - 1e-9


def _point(cell: int, column: np.ndarray, x: np.ndarray, y: np.ndarray, aim: Objective) -> float:
    """Return the worth of one cell as a day of one point."""
    return worth(np.array([cell]), column[:, None], x, y, aim, 0.5)


@given(sampled(most_points=4), AIMS)
def test_on_small_days_the_search_comes_close_to_the_best_day_there_is(
    case: tuple[np.ndarray, ...], aim: Objective
) -> None:
    samples, x, y = case
    found = best_days(samples, x, y, np.zeros(samples.shape[1]), aim, starts=9, sweeps=9, cells=9)
    top = best(samples, x, y, aim, 0.5)
    reached = worth(found, samples, x, y, aim, 0.5)
    assert top - 0.5 <= reached <= top + 1e-9


@given(sampled(), AIMS)
def test_one_sample_is_the_answer(case: tuple[np.ndarray, ...], aim: Objective) -> None:
    samples, x, y = case
    days = np.arange(samples.shape[1]) // 3
    for way in ("slot", "proximity", "expected_geobleu", "sample"):
        assert np.array_equal(from_samples(samples[:1], x, y, days, way, aim), samples[0])  # type: ignore[arg-type]


@given(sampled(), AIMS, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_nothing(case: tuple[np.ndarray, ...], aim: Objective, random) -> None:  # type: ignore[no-untyped-def]
    samples, x, y = case
    order = list(range(len(samples)))
    random.shuffle(order)
    days = np.zeros(samples.shape[1])
    for way in ("slot", "proximity", "expected_geobleu"):
        first = from_samples(samples, x, y, days, way, aim)  # type: ignore[arg-type]
        assert np.array_equal(from_samples(samples[order], x, y, days, way, aim), first)  # type: ignore[arg-type]


@given(sampled(), AIMS)
def test_days_are_decoded_apart(case: tuple[np.ndarray, ...], aim: Objective) -> None:
    samples, x, y = case
    twice, days = np.concatenate([samples, samples], axis=1), np.repeat([4, 9], samples.shape[1])
    alone = best_days(samples, x, y, np.zeros(samples.shape[1]), aim)
    assert np.array_equal(best_days(twice, x, y, days, aim), np.tile(alone, 2))


def test_a_day_of_two_halves_is_answered_with_both_where_slots_say_one() -> None:
    """Each slot is home in 5 of 9 samples; each sample is half of the day elsewhere: so is the best day."""
    home_first, home_last = [0] * 4 + [1] * 4, [1] * 4 + [0] * 4
    samples = np.array([home_first] * 4 + [home_last] * 4 + [[0] * 8])
    x, y, days, aim = np.array([1, 3]), np.array([1, 1]), np.zeros(8), Objective((0.3, 0.2, 0.12), 0.0, 0.0)
    assert from_samples(samples, x, y, days, "slot", aim).tolist() == [0] * 8
    assert sorted(best_days(samples, x, y, days, aim).tolist()) == [0] * 4 + [1] * 4


def test_a_weight_for_distance_moves_the_answer_to_the_middle() -> None:
    samples, x, y = np.array([[0], [0], [0], [1], [1], [2], [2]]), np.array([1, 90, 100]), np.array([1, 1, 1])
    near, far = Objective((0.3,), 0.0, 0.0), Objective((0.3,), 0.0, 100.0)
    assert best_days(samples, x, y, np.zeros(1), near).tolist() == [0]
    assert best_days(samples, x, y, np.zeros(1), far).tolist() == [1]


def test_long_days_of_many_cells_fit_into_the_table() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 5000, (128, 144))
    x, y = rng.integers(1, 200, 5000), rng.integers(1, 200, 5000)
    found = best_days(samples, x, y, np.zeros(144), OBJECTIVES["giscup25"])
    assert all(found[i] in samples[:, i] for i in range(144))


def test_the_objectives_have_the_orders_of_the_metrics() -> None:
    orders = {f"geobleu@{name}": len(aim.near_misses) for name, aim in OBJECTIVES.items()}
    assert orders | {"geobleu@grid": orders["geobleu@humob24"]} == ORDERS


@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
def test_systematic_samples_hold_each_choice_as_often_as_its_share_says(seed: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(6) * 0.4, 5) * 7.0
    drawn = draw(shares, samples, rng)
    assert drawn.shape == (samples, 5)
    counts = (drawn[:, :, None] == np.arange(6)).sum(axis=0)
    assert np.all(np.abs(counts - samples * shares / 7.0) < 1 + 1e-9)


@pytest.mark.parametrize("way", ["slot", "proximity", "expected_geobleu", "sample"])
def test_shares_and_samples_of_one_cell_give_that_cell(way: str) -> None:
    x, y = np.array([[5, 9, 5]] * 4), np.array([[2, 2, 7]] * 4)
    shares = np.array([[0.0, 3.0, 0.0]] * 4)
    best_ = from_shares(shares, x, y, np.zeros(4), way, OBJECTIVES["humob24"], 8, np.random.default_rng(0))  # type: ignore[arg-type]
    assert best_.tolist() == [1] * 4


def test_a_neighbourhood_beats_a_lone_cell_by_proximity() -> None:
    x, y = np.array([[1, 50, 51]]), np.array([[1, 1, 1]])
    assert nearest(np.array([[0.4, 0.3, 0.3]]), x, y).tolist() == [1]
