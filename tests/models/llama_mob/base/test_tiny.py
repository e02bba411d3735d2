"""The shipped base: small enough, whole, and better than a statistic on people whom nobody learned from."""

from __future__ import annotations

import numpy as np

from bench.adapters.adapter import Context
from bench.adapters.registry import make
from bench.data.sources.synthetic import Synthetic
from bench.evaluation.metrics import score_users
from bench.training.heldout import HELD_OUT_SEED
from models.llama_mob.settings import TINY

MAIN = "geobleu@humob24"


def test_the_shipped_base_is_small() -> None:
    weights = list(TINY.glob("*.safetensors"))
    assert len(weights) == 1
    assert weights[0].stat().st_size < 16e6


def test_untuned_it_predicts_better_than_the_slots_mode() -> None:
    people = Synthetic(seed=HELD_OUT_SEED + 1, users=16).load("C")
    history, truth = people.days(60, 69), people.days(70, 71)
    both = sorted(set(history.users) & set(truth.users))
    history, truth = history.only(both), truth.only(both)
    scores = {}
    for name, settings in (("slot_mode", {}), ("llama_mob", {"tuning": "none"})):
        answers = make(name, settings).predict(history, truth.queries(), Context())
        scores[name] = score_users(answers.x, answers.y, truth, [MAIN])[MAIN]
    assert np.mean(scores["llama_mob"]) > np.mean(scores["slot_mode"])
