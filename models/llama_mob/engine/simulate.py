"""Forward passes that a draft saves, counted without a model: a verifier that knows what the model would answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.llama_mob.engine.drafter import Drafter
from models.llama_mob.engine.evidence import IntArray
from models.llama_mob.engine.tree import Tree


@dataclass(frozen=True)
class Cost:
    """Of one answer: forward passes after prefill, numbers drafted, drafted numbers that were right."""

    passes: int
    drafted: int
    accepted: int


def jump_passes(queries: int) -> int:
    """Return the passes without a draft: one for every number but the first, which prefill gives."""
    return max(0, 2 * queries - 1)


def chain_of(tokens: IntArray, at: int) -> Tree:
    """Return a chain of numbers from slot ``at`` on as a tree without branches."""
    order = np.arange(len(tokens))
    return Tree(tokens, order - 1, at + order)


def count(drafter: Drafter, answers: IntArray, nodes: int, *, tree: bool) -> Cost:
    """Return the cost of one user's answers, (n, 2) of x and y, where every pass verifies at most ``nodes`` numbers.

    Counted as the engine does: prefill, which is no pass, gives the first number, as the text before it is fed with the
    prompt; the text between numbers rides along; a pass that finds the first k drafted numbers right yields k + 1, as
    it also says what the model has instead of the next one. A node of a tree and a number of a chain count alike.
    """
    numbers = np.asarray(answers, dtype=np.int64).ravel()
    at, passes, drafted, accepted = 1, 0, 0, 0
    while at < len(numbers):
        x = int(numbers[at - 1]) if at % 2 else None
        known = answers[: at // 2]
        draft = drafter.tree(at, x, known, nodes) if tree else chain_of(drafter.chain(at, x, known, nodes), at)
        right = agreeing(draft, numbers, at)
        passes, drafted, accepted = passes + 1, drafted + len(draft), accepted + right
        at += right + 1
    return Cost(passes, drafted, accepted)


def agreeing(draft: Tree, numbers: IntArray, at: int) -> int:
    """Return how many numbers from slot ``at`` on the draft has right, along its best path."""
    node, right = -1, 0
    children: dict[tuple[int, int], int] = {
        (int(parent), int(token)): child
        for child, (token, parent) in enumerate(zip(draft.tokens, draft.parents, strict=True))
    }
    while at + right < len(numbers) and (node, int(numbers[at + right])) in children:
        node = children[node, int(numbers[at + right])]
        right += 1
    return right


def mean_passes(
    users: list[tuple[IntArray, IntArray]], make: Callable[[IntArray, IntArray], Drafter], nodes: int, *, tree: bool
) -> float:
    """Return the mean of passes over users, each a history and answers, both rows of d, t, x, y."""
    costs = [count(make(history, answers[:, :2]), answers[:, 2:], nodes, tree=tree) for history, answers in users]
    return float(np.mean([cost.passes for cost in costs]))
