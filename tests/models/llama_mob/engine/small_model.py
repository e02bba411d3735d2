"""What the engine's tests share: a small random model, random tasks, and a drafter that is right as often as told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from models.llama_mob.engine import Engine, Result, Task
from models.llama_mob.engine.graphs import Recorder
from models.llama_mob.engine.tree import Tree
from models.llama_mob.prompts.compile import Compiled
from models.llama_mob.settings import Decoding

VOCABULARY, SIDE, FILLER = 300, 20, 250


def small_model(seed: int = 0, kv_heads: int = 2) -> LlamaForCausalLM:
    """A Llama of 2 layers whose scores differ enough to choose by."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        vocab_size=VOCABULARY,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


class Words:
    """Stands in for Tokens where only the text of an answer is wanted."""

    def decode(self, ids: np.ndarray) -> str:
        return " ".join(str(i) for i in ids)


def tables() -> np.ndarray:
    """Ids 100.. for the numbers of an x and 150.. for those of a y."""
    numbers = np.minimum(np.arange(1000), 49)
    return np.stack([100 + numbers, 150 + numbers])


def task(
    rng: np.random.Generator, prompt: int, queries: int, uid: int = 0, fillers: tuple[int, int, int] = (3, 1, 2)
) -> Task:
    """A task whose answer has up to so many filler tokens at the start, before each y and before each x."""
    answer: list[int] = list(rng.integers(FILLER, VOCABULARY, rng.integers(0, fillers[0] + 1)))
    for _ in range(queries):
        for filler in fillers[1:]:
            answer += [-1, *rng.integers(FILLER, VOCABULARY, rng.integers(0, filler + 1))]
    asked = np.column_stack([60 + np.arange(queries) // 48, np.arange(queries) % 48])
    history = np.column_stack([np.arange(30) // 10, np.arange(30) % 10 * 4, rng.integers(1, 4, (30, 2))])
    compiled = Compiled(rng.integers(0, 99, prompt), np.array([*answer, 299], np.int64), tables())
    return Task(compiled, ("B", uid), history, asked, seed=3)


def tasks(seed: int, count: int) -> list[Task]:
    """Tasks of unequal length."""
    rng = np.random.default_rng(seed)
    return [task(rng, int(rng.integers(1, 40)), int(rng.integers(1, 12)), uid) for uid in range(count)]


class Knowing:
    """A drafter that is told the answers and gets a share of its guesses right; siblings in a tree are wrong ones."""

    def __init__(self, numbers: np.ndarray, right: float = 1.0, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._numbers, self._right = numbers, right

    def _guess(self, slot: int) -> int:
        number = int(self._numbers[slot])
        return number if self._rng.random() < self._right else number % SIDE + 1

    def chain(self, at: int, x: int | None, known: np.ndarray, k: int) -> np.ndarray:
        self._check(at, x, known)
        return np.array([self._guess(slot) for slot in range(at, min(at + k, len(self._numbers)))], np.int64)

    def tree(self, at: int, x: int | None, known: np.ndarray, nodes: int) -> Tree:
        self._check(at, x, known)
        tokens, parents, slots, taken = [], [], [], set()
        for _ in range(nodes):
            parent = int(self._rng.integers(-1, len(tokens)))
            slot = at if parent < 0 else slots[parent] + 1
            if slot >= len(self._numbers):
                continue
            token = self._guess(slot)
            if (parent, token) in taken:
                token = int(self._rng.integers(1, SIDE + 1))
            if (parent, token) not in taken:
                taken.add((parent, token))
                tokens, parents, slots = [*tokens, token], [*parents, parent], [*slots, slot]
        return Tree(*(np.array(column, np.int64) for column in (tokens, parents, slots)))

    def _check(self, at: int, x: int | None, known: np.ndarray) -> None:
        """What the drafter is told of the answers so far must be so."""
        assert (x is None) == (at % 2 == 0)
        assert x is None or x == self._numbers[at - 1]
        np.testing.assert_array_equal(known.ravel(), self._numbers[: at // 2 * 2])


def engine(
    model: LlamaForCausalLM,
    drafter: Callable[[Task], object] | None = None,
    record: Recorder | None = None,
    **decoding: object,
) -> Engine:
    """An engine on a grid of SIDE x SIDE cells."""
    return Engine(
        model,
        Words(),
        Decoding(**decoding),
        off_days=lambda days: np.asarray(days) % 7 == 0,
        width=SIDE,
        height=SIDE,
        drafter=drafter,
        record=record,
    )


def cells(results: list[Result]) -> list[list[list[int]]]:
    return [result.cells.tolist() for result in results]
