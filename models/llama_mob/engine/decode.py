"""One user's answer under way: what is fed next, and what the model's scores make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from models.llama_mob.engine.passes import Feed, FloatArray, IntArray
from models.llama_mob.engine.sampling import Choice
from models.llama_mob.engine.tree import Tree
from models.llama_mob.prompts.compile import Compiled
from models.llama_mob.settings import Decoding


class Drafting(Protocol):
    """What guesses one user's next numbers; see ``drafter.Drafter``."""

    def chain(self, at: int, x: int | None, known: IntArray, k: int) -> IntArray:
        """Return guesses for at most ``k`` slots from slot ``at`` on."""

    def tree(self, at: int, x: int | None, known: IntArray, nodes: int) -> Tree:
        """Return a tree of at most ``nodes`` guesses from slot ``at`` on."""


@dataclass(frozen=True)
class Task:
    """One user to predict: prompt and answer template, (city, uid), history (rows, 4) d t x y, queries (n, 2) d t."""

    compiled: Compiled
    key: tuple[str, int]
    history: IntArray
    queries: IntArray


@dataclass(frozen=True)
class Result:
    """One user's answer: cells (n, 2) x y, the whole text, and what it took."""

    cells: IntArray
    text: str
    counts: Counts


@dataclass
class Counts:
    """What one user's answer took.

    tokens_read: of the prompt, with what precedes the first number; tokens_fed: while decoding; drafted, accepted:
    numbers guessed, and guessed right; passes: forward passes the user took part in, the prompt's not counted; margin:
    smallest lead of a chosen number over the second, in scores as they were compared.
    """

    tokens_read: int = 0
    tokens_fed: int = 0
    drafted: int = 0
    accepted: int = 0
    passes: int = 0
    margin: float = float("inf")


NO_GUESSES = Tree(*(np.empty(0, np.int64) for _ in range(3)))


@dataclass
class Writing:
    """An answer under way.

    ids: the answer's tokens, with the numbers found so far; numbers: those, x and y in turn; at: the slot to be filled
    next; fed: how many of the answer's tokens the cache holds.
    """

    task: Task
    decoding: Decoding
    choice: Choice
    drafter: Drafting | None
    width: int  # how many of the scores are those of an x; those of a y come after
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        compiled = self.task.compiled
        self.slots = compiled.slots
        self.ids = compiled.answer.copy()
        self.numbers = np.zeros(len(self.slots), np.int64)
        self.at = 0
        self.fed = 0 if self.decoding.mode == "constrained" else int(self.slots[0])
        self._guesses = NO_GUESSES
        self.counts.tokens_read = len(compiled.prompt) + self.fed

    @property
    def done(self) -> bool:
        """Whether every number is found."""
        return self.at == len(self.slots)

    def opening(self) -> IntArray:
        """Return what is read before the first number: the prompt and, where known tokens ride along, the filler."""
        return np.concatenate([self.task.compiled.prompt, self.ids[: self.fed]])

    def opened(self, scores: FloatArray) -> None:
        """Take the scores after the opening."""
        if self.fed == self.slots[0]:
            self._fill(scores)

    def feed(self) -> Feed:
        """Return what the next pass is fed."""
        if self.decoding.mode == "constrained":
            before_slot = self.fed + 1 == self.slots[self.at]
            return Feed(self.ids[self.fed : self.fed + 1], np.zeros(int(before_slot), np.int64))
        self._guesses = self._guess()
        if self.decoding.draft == "tree" and len(self._guesses):
            return self._branches(self._guesses)
        return self._line(self._guesses.tokens)

    def take(self, feed: Feed, scores: FloatArray) -> IntArray | None:
        """Take a pass's scores; return which tokens of the feed stay, or None if all do."""
        self.counts.passes += 1
        self.counts.tokens_fed += len(feed.tokens)
        if self.decoding.mode == "constrained":
            self.fed += 1
            if len(scores):
                self._fill(scores[0])
            return None
        path = self._follow(scores)
        self.fed = int(self.slots[self.at - 1])
        if feed.sees is not None:
            return np.flatnonzero(feed.sees[feed.wanted[path[-1]]])
        last = int(feed.wanted[path[-1]])
        return None if last + 1 == len(feed.tokens) else np.arange(last + 1)

    def _guess(self) -> Tree:
        """Return guesses for the slots from the next one on; never for the last, which is found without being fed."""
        room = len(self.slots) - 1 - self.at
        if self.drafter is None or room <= 0:
            return NO_GUESSES
        x = int(self.numbers[self.at - 1]) if self.at % 2 else None
        known = self.numbers[: self.at // 2 * 2].reshape(-1, 2)
        if self.decoding.draft == "tree":
            tree = self.drafter.tree(self.at, x, known, self.decoding.nodes)
            guesses = _pruned(tree, len(self.slots) - 1)
        else:
            tokens = self.drafter.chain(self.at, x, known, min(room, self.decoding.draft_tokens))
            index = np.arange(len(tokens))
            guesses = Tree(tokens, index - 1, self.at + index)
        self.counts.drafted += len(guesses)
        return guesses

    def _line(self, guesses: IntArray) -> Feed:
        """Return the answer from what is not fed yet up to the slot after the guesses, which are filled in."""
        slots = self.slots[self.at : self.at + len(guesses) + 1]
        tokens = self.ids[self.fed : slots[-1]].copy()
        axes = np.arange(self.at, self.at + len(guesses)) % 2
        tokens[slots[:-1] - self.fed] = self.task.compiled.tables[axes, guesses]
        return Feed(tokens, slots - 1 - self.fed)

    def _branches(self, tree: Tree) -> Feed:
        """Return the tokens not fed yet and, for every guess of a tree, its token with the filler after it."""
        stop = int(self.slots[self.at])
        parts, depths = [self.ids[self.fed : stop]], [np.arange(stop - self.fed)]
        for token, slot in zip(tree.tokens, tree.slots, strict=True):
            begin, end = self.slots[slot], self.slots[slot + 1]
            parts.append(self.ids[begin:end].copy())
            parts[-1][0] = self.task.compiled.tables[slot % 2, token]
            depths.append(np.arange(begin, end) - self.fed)
        ends = np.cumsum([len(part) for part in parts])
        begins = ends - [len(part) for part in parts]
        sees = np.zeros((ends[-1], ends[-1]), bool)
        for node, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if node:
                sees[begin:end] = sees[ends[tree.parents[node - 1] + 1] - 1]
            sees[begin:end, begin:end] = np.tri(end - begin, dtype=bool)
        return Feed(np.concatenate(parts), ends - 1, np.concatenate(depths), sees)

    def _follow(self, scores: FloatArray) -> list[int]:
        """Fill slots for as long as the numbers chosen were guessed; return the nodes passed (0: what was known)."""
        guesses = self._guesses
        children = {
            (parent + 1, token): node + 1
            for node, (parent, token) in enumerate(zip(guesses.parents.tolist(), guesses.tokens.tolist(), strict=True))
        }
        path = [0]
        while True:
            number = self._fill(scores[path[-1]])
            child = children.get((path[-1], number))
            if child is None:
                self.counts.accepted += len(path) - 1
                return path
            path.append(child)

    def _fill(self, scores: FloatArray) -> int:
        """Choose the next slot's number and write it down."""
        axis = self.at % 2
        allowed = scores[self.width :] if axis else scores[: self.width]
        index, margin = self.choice.pick(self.at, allowed)
        number = index + 1
        self.counts.margin = min(self.counts.margin, margin)
        self.numbers[self.at] = number
        self.ids[self.slots[self.at]] = self.task.compiled.tables[axis, number]
        self.at += 1
        return number


def reach(compiled: Compiled, decoding: Decoding) -> tuple[int, int]:
    """Return how many tokens of prompt and answer a row of the cache comes to hold, and how many a pass may feed."""
    slots = compiled.slots
    feed = int(np.diff(slots).max(initial=1))
    if decoding.mode == "speculative":
        feed *= 1 + (decoding.nodes if decoding.draft == "tree" else decoding.draft_tokens)
    return len(compiled.prompt) + int(slots[-1]), feed


def _pruned(tree: Tree, last: int) -> Tree:
    """Return a tree without its guesses for the slot ``last``; they have no children."""
    keep = tree.slots < last
    index = np.cumsum(keep) - 1
    parents = tree.parents[keep]
    return Tree(tree.tokens[keep], np.where(parents < 0, -1, index[parents]), tree.slots[keep])
