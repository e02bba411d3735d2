"""One user's answer under way: what is fed next, and what the model's scores make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from models.llama_mob.engine.passes import Feed, FloatArray, IntArray
from models.llama_mob.engine.sampling import Choice
from models.llama_mob.engine.tree import Tree
from models.llama_mob.engine.trie import END, Trie
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
    """One user to predict: prompt and answer template, history (rows, 4) d t x y, queries (n, 2) d t.

    key: city and uid, and day and timeslot where a point is asked for by itself; seed: of the noise of what is sampled.
    """

    compiled: Compiled
    key: tuple[str | int, ...]
    history: IntArray
    queries: IntArray
    seed: int = 0


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


@dataclass(frozen=True)
class Numerals:
    """How the numbers of an x and of a y are read off scores: their tries, and the ids whose scores are taken."""

    tries: tuple[Trie, Trie]
    ids: IntArray

    @classmethod
    def of(cls, compiled: Sequence[Compiled], sizes: tuple[int, int]) -> Numerals:
        """Return what some users' answers need. Raises ValueError unless all write numbers with the same tokens."""
        tables = {one.tables.tobytes(): one.tables for one in compiled}
        if len(tables) > 1:
            raise ValueError("tasks of one call must write their numbers with the same tokens")
        x, y = (Trie.of(table, size) for table, size in zip(next(iter(tables.values())), sizes, strict=True))
        after = [filler[0] for one in compiled for filler in one.fillers[1:] if len(filler)]
        wanted = [trie.choices[trie.choices != END] for trie in (x, y)]
        if len(x.nodes) + len(y.nodes) > 2:
            wanted.append(np.unique(after))
        return cls((x, y), np.unique(np.concatenate(wanted)))

    @cached_property
    def columns(self) -> tuple[IntArray, IntArray]:
        """Where the choices of each trie stand among the ids."""
        x, y = self.tries
        return x.columns(self.ids), y.columns(self.ids)

    def inner(self, axis: int) -> tuple[tuple[int, ...], ...]:
        """Return the beginnings of numbers after which the model must be asked, but for the empty one."""
        return self.tries[axis].nodes[1:]


@dataclass(frozen=True)
class Asked:
    """A slot that a pass asks for.

    places: a beginning of its number -> which of the feed's tokens ends it; the empty one: the last before the slot.
    """

    slot: int
    places: dict[tuple[int, ...], int]


@dataclass
class Writing:
    """An answer under way.

    ids: the answer's tokens up to the next slot, numbers found among them; numbers: those, x and y in turn; at: the
    slot to be filled next; pending: which of the ids (or of the prompt's end) the cache does not hold yet.
    """

    task: Task
    decoding: Decoding
    choice: Choice
    drafter: Drafting | None
    numerals: Numerals
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        compiled = self.task.compiled
        self.slots = len(compiled.slots)
        self.numbers = np.zeros(self.slots, np.int64)
        self.at = 0
        self.ids = compiled.fillers[0].tolist()
        self.pending = list(self.ids) if self.decoding.mode == "constrained" else []
        read = [compiled.prompt] if self.pending else [compiled.prompt, compiled.fillers[0]]
        self._opening = np.concatenate(read)
        if not self.pending and any(map(self.numerals.inner, (0, 1))):  # the first number needs more than one look
            self.pending, self._opening = [int(self._opening[-1])], self._opening[:-1]
        self._guesses, self._asked, self._growth = NO_GUESSES, list[Asked](), Growth()
        self._stuck = False
        self.counts.tokens_read = len(self._opening)

    @property
    def done(self) -> bool:
        """Whether every number is found."""
        return self.at == self.slots

    def opening(self) -> IntArray:
        """Return what is read before the first pass: the prompt and, where known tokens ride along, the filler."""
        return self._opening

    def opened(self, scores: FloatArray) -> None:
        """Take the scores after the opening."""
        if not self.pending:
            number, _found = self._choose(self.at, scores[None], [0])
            self._write(number, self.task.compiled.span(self.at, number).tolist())

    def feed(self) -> Feed:
        """Return what the next pass is fed."""
        growth = self._growth = Growth()
        if self.decoding.mode == "constrained":
            last = growth.add(-1, self.pending[:1])
            self._asked = [self._ask(self.at, last, whole=True)] if len(self.pending) == 1 else []
        else:
            self._guesses = self._guess()
            last = growth.add(-1, self.pending)
            whole = not self.choice.greedy or self._stuck or not len(self._guesses)
            self._asked = [self._ask(self.at, last, whole)]
            for parent, number in zip(self._guesses.parents.tolist(), self._guesses.tokens.tolist(), strict=True):
                self._append(self._asked[parent + 1], number)
        return growth.feed([place for asked in self._asked for place in self._places(asked).values()])

    def take(self, feed: Feed, scores: FloatArray) -> IntArray | None:
        """Take a pass's scores; return which tokens of the feed stay, or None if all do."""
        self.counts.passes += 1
        self.counts.tokens_fed += len(feed.tokens)
        if not self._asked:
            self.pending = self.pending[1:]
            return None
        stays = self._follow(scores)
        if feed.sees is not None:
            return np.flatnonzero(feed.sees[stays]) if stays >= 0 else np.empty(0, np.int64)
        return None if stays + 1 == len(feed.tokens) else np.arange(stays + 1)

    def _guess(self) -> Tree:
        """Return guesses for the slots from the next one on; never for the last, which is found without being fed."""
        room = self.slots - 1 - self.at
        if self.drafter is None or room <= 0:
            return NO_GUESSES
        x = int(self.numbers[self.at - 1]) if self.at % 2 else None
        known = self.numbers[: self.at // 2 * 2].reshape(-1, 2)
        if self.decoding.draft == "tree":
            tree = self.drafter.tree(self.at, x, known, self.decoding.nodes)
            guesses = _pruned(tree, self.slots - 1)
        else:
            tokens = self.drafter.chain(self.at, x, known, min(room, self.decoding.draft_tokens))
            index = np.arange(len(tokens))
            guesses = Tree(tokens, index - 1, self.at + index)
        self.counts.drafted += len(guesses)
        return guesses

    def _ask(self, slot: int, last: int, whole: bool) -> Asked:
        """Ask for a slot after a token of the feed; whole: after every beginning of its number too."""
        asked = Asked(slot, {(): last})
        if whole:
            for node in self.numerals.inner(slot % 2):
                asked.places[node] = self._growth.add(asked.places[node[:-1]], node[-1:])
        return asked

    def _append(self, asked: Asked, number: int) -> None:
        """Add a guess to the feed: its tokens, the filler after it, and the next slot that is asked for then."""
        compiled = self.task.compiled
        span = compiled.span(asked.slot, number).tolist()
        known = _longest(asked.places, span)
        base, rest = asked.places[tuple(span[:known])], span[known:]
        last = self._growth.add(base, [*rest, *compiled.fillers[asked.slot + 1].tolist()])
        first = last + 1 - len(rest) - len(compiled.fillers[asked.slot + 1])
        for i in range(1, len(rest) + 1):
            asked.places[tuple(span[: known + i])] = first + i - 1
        self._asked.append(self._ask(asked.slot + 1, last, whole=not self.choice.greedy))

    def _places(self, asked: Asked) -> dict[int, int]:
        """Return node of the trie -> the token of the feed whose scores say what comes after it."""
        nodes = self.numerals.tries[asked.slot % 2].nodes
        return {i: asked.places[node] for i, node in enumerate(nodes) if node in asked.places}

    def _follow(self, scores: FloatArray) -> int:
        """Fill slots for as long as the numbers chosen were guessed; return the last token of the feed that stays.

        What is chosen or known, and does not stay, becomes pending.
        """
        guesses, begins = self._guesses, np.cumsum([0, *(len(self._places(asked)) for asked in self._asked)])
        children = {
            (parent + 1, token): node + 1
            for node, (parent, token) in enumerate(zip(guesses.parents.tolist(), guesses.tokens.tolist(), strict=True))
        }
        node, passed = 0, 0
        while True:
            asked = self._asked[node]
            rows = scores[begins[node] : begins[node + 1]]
            number, found = self._choose(asked.slot, rows, list(self._places(asked)))
            self._stuck = not found
            self.counts.accepted += passed if not found else 0
            if not found:  # what is known does not do: the whole slot is asked for in the next pass
                last = asked.places[()]
                self.pending = [self._growth.tokens[last]]
                return self._growth.before(last)
            span = self.task.compiled.span(asked.slot, number).tolist()
            known = _longest(asked.places, span)
            stays = asked.places[tuple(span[:known])]
            self._write(number, span[known:])
            child = children.get((node, number))
            if child is None:
                self.counts.accepted += passed
                return stays
            node, passed = child, passed + 1

    def _choose(self, slot: int, scores: FloatArray, nodes: Sequence[int]) -> tuple[int, bool]:
        """Return the number for a slot, and whether the scores after these nodes of its trie suffice to say so."""
        axis, after = slot % 2, self.task.compiled.fillers[slot + 1]
        end = int(np.searchsorted(self.numerals.ids, after[0])) if len(after) else 0
        values, exact = self.numerals.tries[axis].numbers(scores, nodes, self.numerals.columns[axis], end)
        index, margin = self.choice.pick(slot, values)
        if exact[index]:
            self.counts.margin = min(self.counts.margin, margin)
        return index + 1, bool(exact[index])

    def _write(self, number: int, rest: list[int]) -> None:
        """Write the next slot's number down; rest: those of its tokens that the cache will not hold."""
        compiled, slot = self.task.compiled, self.at
        after = compiled.fillers[slot + 1].tolist()
        self.numbers[slot] = number
        self.ids += [*compiled.span(slot, number).tolist(), *after]
        self.pending = [*rest, *after]
        self.at += 1


class Growth:
    """A feed under construction: pieces of tokens, each after a token fed before or (-1) after what the cache holds."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self._pieces: list[tuple[int, int, int]] = []  # begin, end, the token before

    def add(self, before: int, tokens: Sequence[int]) -> int:
        """Add tokens after one; return the index of the last."""
        if tokens:
            self._pieces.append((len(self.tokens), len(self.tokens) + len(tokens), before))
            self.tokens += tokens
            return len(self.tokens) - 1
        return before

    def before(self, token: int) -> int:
        """Return the token before one."""
        begin, _end, before = next(piece for piece in self._pieces if piece[0] <= token < piece[1])
        return before if token == begin else token - 1

    def feed(self, wanted: Sequence[int]) -> Feed:
        """Return it, with scores wanted after some of its tokens."""
        tokens, places = np.array(self.tokens, np.int64), np.array(wanted, np.int64)
        if all(before == begin - 1 for begin, _end, before in self._pieces):
            return Feed(tokens, places)
        sees, depths = np.zeros((len(tokens), len(tokens)), bool), np.zeros(len(tokens), np.int64)
        for begin, end, before in self._pieces:
            if before >= 0:
                sees[begin:end], depths[begin:end] = sees[before], depths[before] + 1
            sees[begin:end, begin:end] = np.tri(end - begin, dtype=bool)
            depths[begin:end] += np.arange(end - begin)
        return Feed(tokens, places, depths, sees)


def _longest(places: Mapping[tuple[int, ...], int], span: Sequence[int]) -> int:
    """Return how many of a number's tokens are fed."""
    return max(n for n in range(len(span) + 1) if tuple(span[:n]) in places)


def reach(compiled: Compiled, decoding: Decoding, numerals: Numerals) -> tuple[int, int]:
    """Return how many tokens of prompt and answer a row of the cache comes to hold, and how many a pass may feed."""
    width = compiled.tables.shape[2] if compiled.tables.ndim > 2 else 1
    gap = width + max(map(len, compiled.fillers[1:-1]), default=0)
    inner, guesses = max(len(numerals.inner(axis)) for axis in (0, 1)), 0
    if decoding.mode == "speculative":
        guesses = decoding.nodes if decoding.draft == "tree" else decoding.draft_tokens
    whole = decoding.choose != "greedy" or decoding.temperature > 0
    feed = gap * (1 + guesses) + inner * (1 + guesses if whole else 1)
    return len(compiled.prompt) + int(compiled.slots[-1]) + (width - 1) * len(compiled.slots), feed


def _pruned(tree: Tree, last: int) -> Tree:
    """Return a tree without its guesses for the slot ``last``; they have no children."""
    keep = tree.slots < last
    index = np.cumsum(keep) - 1
    parents = tree.parents[keep]
    return Tree(tree.tokens[keep], np.where(parents < 0, -1, index[parents]), tree.slots[keep])
