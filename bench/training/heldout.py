"""Synthetic people whom no training sees: a pretraining is watched on them, and its model card shows their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.adapters.adapter import Adapter, Context
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import score_users

FIRST_SEED, HELD_OUT_SEED = 1000, 999_000  # cities to train on have seeds between; protocols use small ones
WINDOWS = {"week": (7, 2), "weeks": (21, 3), "full": (60, 15)}  # days seen and predicted, the last ones of 75
LABELS = {name: f"{seen} + {predicted}" for name, (seen, predicted) in WINDOWS.items()}
STATISTICS = ("user_mode", "slot_mode", "kernel_vote")  # shown beside a network on its model card
METRICS = ("geobleu@humob24", "accuracy@v1")


@dataclass(frozen=True)
class HeldOut:
    """One city's people: what is seen of them and what is true."""

    history: Trajectories
    truth: Trajectories

    def score(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Return mean GEO-BLEU (humob24) and the share of exact cells."""
        scores = score_users(x, y, self.truth, METRICS)
        return float(scores[METRICS[0]].mean()), float(scores[METRICS[1]].mean())

    def of_adapter(self, adapter: Adapter) -> tuple[float, float]:
        """Score an adapter that needs no fit."""
        answers = adapter.predict(self.history, self.truth.queries(), Context())
        return self.score(answers.x, answers.y)


def held_out(users: int) -> dict[str, HeldOut]:
    """Return the people of one city for each window."""
    sets = {}
    for city, (name, (seen, predicted)) in zip("BCD", WINDOWS.items(), strict=True):
        table = Synthetic(seed=HELD_OUT_SEED, users=users).load(city)
        history, truth = table.days(75 - predicted - seen, 74 - predicted), table.days(75 - predicted, 74)
        both = sorted(set(history.users) & set(truth.users))
        sets[name] = HeldOut(history.only(both), truth.only(both))
    return sets


def moved(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 cells of one person with the 200 x 200 grid mirrored or turned, then moved to where all still fit.

    A network that learns from such people goes by the history that it reads and not by where a city lies.
    """
    x, y = x.astype(np.int64), y.astype(np.int64)
    x = 201 - x if rng.random() < 0.5 else x
    y = 201 - y if rng.random() < 0.5 else y
    if rng.random() < 0.5:
        x, y = y, x
    x = x + rng.integers(1 - x.min(), 201 - x.max())
    y = y + rng.integers(1 - y.min(), 201 - y.max())
    return x, y


def draw_seed(rng: np.random.Generator) -> int:
    """Draw the seed of a city to train on."""
    return FIRST_SEED + int(rng.integers(HELD_OUT_SEED - FIRST_SEED))
