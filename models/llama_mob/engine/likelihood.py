"""How likely the model holds each number at each slot, with given numbers in the slots before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine.decode import Drafting, Task, Writing
from models.llama_mob.engine.engine import Engine
from models.llama_mob.engine.sampling import Choice, FloatArray
from models.llama_mob.engine.tree import Tree
from models.llama_mob.settings import Decoding

AT_ONCE = 16  # slots a pass


class Likelihood:
    """Reads answers that are given, and notes the probabilities of all numbers at each of their slots.

    It is the engine with drafts that are never wrong: what is noted is what decoding chooses by.
    """

    def __init__(self, model: PreTrainedModel, tokens: Tokens, *, batch: int | None = None, **more: Any) -> None:
        """Take what an Engine takes, without its decoding and drafter."""
        decoding = Decoding(mode="speculative", draft_tokens=AT_ONCE, choose="expected_proximity", batch=batch)
        self._engine = _Reading(model, tokens, decoding, **more)

    def read(self, tasks: list[Task], given: Mapping[tuple[str | int, ...], np.ndarray]) -> list[list[np.ndarray]]:
        """Return for each task and slot the probability of each number from 1 on; given: x and y in turn, by key."""
        self._engine.given, self._engine.found = given, {}
        self._engine.predict(tasks)
        return [self._engine.found[task.key].noted for task in tasks if len(task.queries)]


class _Reading(Engine):
    """An engine whose choices are given."""

    given: Mapping[tuple[str | int, ...], np.ndarray]
    found: dict[tuple[str | int, ...], _Given]

    def _start(self, task: Task) -> Writing:
        writing = super()._start(task)
        writing.choice = self.found[task.key] = _Given(self.given[task.key])
        return writing

    def _guessing(self, task: Task) -> Drafting:
        return _Told(self.given[task.key])


class _Given(Choice):
    """Takes given numbers, and notes what the scores make of all."""

    def __init__(self, numbers: np.ndarray) -> None:
        super().__init__(0, ("", 0), 0, 0, 0.0, 1.0, nearest=True)
        self._numbers = numbers
        self.noted: list[np.ndarray] = []

    def pick(self, slot: int, scores: FloatArray) -> tuple[int, float]:
        """Return the given number."""
        odds = np.exp(scores.astype(np.float64) - scores.max())
        self.noted.append(odds / odds.sum())
        return int(self._numbers[slot]) - 1, float("inf")


class _Told:
    """Guesses what is given."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = numbers

    def chain(self, at: int, x: int | None, known: np.ndarray, k: int) -> np.ndarray:
        """Return the next given numbers."""
        return self._numbers[at : at + k]

    def tree(self, at: int, x: int | None, known: np.ndarray, nodes: int) -> Tree:
        """No trees are asked for."""
        raise NotImplementedError
