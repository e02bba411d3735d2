"""Choosing numbers: softmax's shares, top-p as transformers has it, noise that nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import TopPLogitsWarper

from models.llama_mob.engine.sampling import Choice, expected_proximity, nucleus

SCORES = np.array([0.0, 2.0, 1.0, -3.0], np.float32)


def choice(slots: int = 1, seed: int = 0, temperature: float = 1.0, top_p: float = 1.0, uid: int = 0) -> Choice:
    return Choice(seed, ("B", uid), slots, 4, temperature, top_p)


def test_greedy_takes_the_best_and_tells_its_lead() -> None:
    assert choice(temperature=0).pick(0, SCORES) == (1, 1.0)
    assert choice(temperature=0).pick(0, SCORES[:1]) == (0, float("inf"))


def test_nearest_takes_the_number_of_highest_expected_proximity() -> None:
    shares = np.array([0.3, 0.0, 0.0, 0.25, 0.0, 0.24, 0.21])  # the likeliest stands apart, the others together
    with np.errstate(divide="ignore"):
        scores = np.log(shares).astype(np.float32)
    expected = [sum(share * np.exp(-0.5 * abs(i - j)) for j, share in enumerate(shares)) for i in range(7)]
    np.testing.assert_allclose(expected_proximity(scores), expected, rtol=1e-6)
    assert Choice(0, ("B", 0), 1, 7, 0.0, 1.0).pick(0, scores)[0] == 0
    chosen, lead = Choice(0, ("B", 0), 1, 7, 0.0, 1.0, nearest=True).pick(0, scores)
    assert chosen == int(np.argmax(expected)) == 5
    assert lead == pytest.approx(np.diff(np.sort(expected))[-1], rel=1e-6)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=40))
def test_a_sure_number_is_the_nearest_too(scores: list[float]) -> None:
    sure = np.array(scores)
    sure[len(sure) // 2] += 40
    assert expected_proximity(sure).argmax() == len(sure) // 2


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.0])
def test_samples_are_drawn_from_the_softmax(temperature: float) -> None:
    drawn = choice(20_000, temperature=temperature)
    shares = np.bincount([drawn.pick(slot, SCORES)[0] for slot in range(20_000)], minlength=4) / 20_000
    odds = np.exp(SCORES / temperature)
    np.testing.assert_allclose(shares, odds / odds.sum(), atol=0.015)


def test_top_p_leaves_the_tail_out() -> None:
    drawn = choice(2000, top_p=0.8)
    assert {drawn.pick(slot, SCORES)[0] for slot in range(2000)} == {1, 2}
    drawn = choice(200, top_p=0.01)
    assert {drawn.pick(slot, SCORES)[0] for slot in range(200)} == {1}


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=20, unique=True), st.floats(0.05, 0.99))
def test_top_p_is_that_of_transformers(tenths: list[int], top_p: float) -> None:
    scores = [tenth / 10 for tenth in tenths]
    theirs = TopPLogitsWarper(top_p)(None, torch.tensor([scores], dtype=torch.float64))[0]
    kept = nucleus(np.array(scores), top_p)
    odds = np.sort(np.exp(scores))[::-1]
    if np.abs(np.cumsum(odds) / odds.sum() - top_p).min() > 1e-9:  # else rounding decides
        np.testing.assert_array_equal(kept, np.isfinite(theirs.numpy()))


def test_noise_hangs_on_seed_user_and_slot_alone() -> None:
    def drawn(made: Choice) -> list[int]:
        return [made.pick(slot, SCORES)[0] for slot in range(50)]

    first = drawn(choice(50))
    assert drawn(choice(80)) == first
    assert drawn(choice(50, seed=1)) != first
    assert drawn(choice(50, uid=1)) != first
