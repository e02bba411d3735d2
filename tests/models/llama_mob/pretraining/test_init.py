"""The start of pretraining answers with the cells of like records before anything is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.pretraining.corpus import LISTED_WEIGHT, example
from models.llama_mob.pretraining.init import proximity_waves
from models.llama_mob.pretraining.pretrain import begin, judged
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning.examples import noisy, pack
from models.llama_mob.tuning.loss import TokenLoss

TOKENS = Tokens.load(TINY)


@pytest.fixture(scope="module")
def run() -> TokenLoss:
    return TokenLoss(begin(TOKENS))


def test_codes_of_cells_compare_as_geobleu_does() -> None:
    codes = proximity_waves(torch.arange(1, 201))
    distance = (torch.arange(200)[:, None] - torch.arange(200)).abs()
    wrong = (codes @ codes.T - torch.exp(-0.5 * distance)).abs()
    assert wrong[distance <= 5].max() < 0.05
    assert wrong.max() < 0.3


@pytest.mark.parametrize("listed", [True, False])
def test_a_routine_is_answered_before_training(run: TokenLoss, listed: bool) -> None:
    places = {8: (20, 30), 18: (90, 15), 30: (140, 160), 40: (20, 30)}
    assert hits(run, routine([places] * 16), listed).mean() > 0.95


def test_off_days_are_told_from_working_days(run: TokenLoss) -> None:
    working, off = {20: (20, 30), 21: (20, 30)}, {20: (120, 130), 21: (120, 130)}
    days = [off if is_off else working for is_off in Calendar().is_off(range(30)).tolist()]
    assert hits(run, routine(days), True).mean() > 0.95


def routine(days: list[dict[int, tuple[int, int]]]) -> Trajectories:
    """Return a person who on each day is at its places at their slots."""
    rows = [(d, t, x, y) for d, places in enumerate(days) for t, (x, y) in places.items()]
    d, t, x, y = np.array(rows).T
    return Trajectories.build(("B",), city=np.zeros(len(d), int), uid=np.zeros(len(d), int), d=d, t=t, x=x, y=y)


def hits(run: TokenLoss, person: Trajectories, listed: bool) -> np.ndarray:
    """Return which numbers of the last seven days are named right, in the answer and, where listed, at their places."""
    last = int(person.d.max()) - 7
    history, truth = person.days(0, last), person.days(last + 1, last + 7)
    read = noisy(history, truth, 1.0, np.random.default_rng(0))
    template = Template.build(Instruction(listed=listed), Grid(), Calendar())
    batch = pack([example(template, TOKENS, history, truth, read)])
    with torch.inference_mode():
        right = judged(run, batch)[1]
    cells = (batch.weights == 1.0) | (batch.weights == LISTED_WEIGHT)
    assert int(cells.sum()) == (4 if listed else 2) * len(truth)
    return right[cells].numpy()
