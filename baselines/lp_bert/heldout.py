"""Held-out synthetic people on whom pretraining is watched, and what simple statistics score on the same people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baselines.lp_bert.data import questions
from baselines.lp_bert.decode import predict
from baselines.lp_bert.model import LPBert
from bench.adapters.adapter import Context
from bench.adapters.registry import make
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import score_users

SEED, USERS = 999_000, 60
WINDOWS = {"week": (7, 2), "weeks": (21, 3), "full": (60, 15)}  # days seen and hidden, the last ones of 75
METRICS = ("geobleu@humob24", "accuracy@v1")


@dataclass(frozen=True)
class HeldOut:
    """One city's people: what is seen of them and what is true."""

    history: Trajectories
    truth: Trajectories

    def score(self, x: np.ndarray, y: np.ndarray) -> list[float]:
        """Return mean GEO-BLEU (humob24) and the share of exact cells."""
        scores = score_users(x, y, self.truth, METRICS)
        return [float(scores[metric].mean()) for metric in METRICS]

    def of_model(self, model: LPBert, precision: str) -> list[float]:
        """Score a network."""
        examples = questions(self.history, self.truth.queries())
        cells = np.concatenate(list(predict(model, examples, 16, precision)))
        return self.score(cells[:, 0], cells[:, 1])

    def of_baseline(self, name: str) -> list[float]:
        """Score a baseline that learns from the histories alone."""
        answers = make(name).predict(self.history, self.truth.queries(), Context())
        return self.score(answers.x, answers.y)


def held_out() -> dict[str, HeldOut]:
    """Return the people of another city for each window."""
    sets = {}
    for city, (name, (seen, hidden)) in zip("BCD", WINDOWS.items(), strict=True):
        table = Synthetic(seed=SEED, users=USERS).load(city)
        history, truth = table.days(75 - hidden - seen, 74 - hidden), table.days(75 - hidden, 74)
        both = sorted(set(history.users) & set(truth.users))
        sets[name] = HeldOut(history.only(both), truth.only(both))
    return sets
