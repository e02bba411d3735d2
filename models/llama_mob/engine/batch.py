"""A batch of answers under way: a row of the cache each; who is done makes room for the next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from models.llama_mob.engine.cache import KeyValueCache
from models.llama_mob.engine.decode import Writing
from models.llama_mob.engine.passes import FloatArray, IntArray, Passes


@dataclass
class Seconds:
    """Where the time of a call went: reading prompts, and finding the numbers."""

    prefill: float = 0.0
    decode: float = 0.0


class Batch:
    """Decodes users in the rows of one cache.

    rows: how many of them; start: begins a user's answer; seconds: added to.
    """

    def __init__(
        self, passes: Passes, cache: KeyValueCache, rows: int, start: Callable[[int], Writing], seconds: Seconds
    ) -> None:
        self._passes, self._cache, self._rows, self._start = passes, cache, rows, start
        self._seconds = seconds
        self._active: list[tuple[int, Writing]] = []
        self._begins: dict[int, tuple[IntArray, FloatArray]] = {}  # row -> what was read into it, the scores after it

    def work(self, users: Sequence[int], chunk: int) -> Iterator[tuple[int, Writing]]:
        """Yield each user with the finished answer as they get done; prompts are read ``chunk`` tokens at a time."""
        waiting = deque(users)
        while waiting or self._active:
            began = time.perf_counter()
            while waiting and len(self._active) < self._rows:
                self._admit(waiting.popleft(), chunk)
            read = time.perf_counter()
            self._step()
            self._seconds.prefill += read - began
            self._seconds.decode += time.perf_counter() - read
            yield from self._finished()

    def _admit(self, user: int, chunk: int) -> None:
        """Read a user's prompt into the next free row; one that a row begins with is copied from there."""
        writing, row = self._start(user), len(self._active)
        opening = writing.opening()
        compiled = writing.task.compiled
        scores, held = self._shared(row, opening, (len(compiled.prompt), compiled.told))
        if scores is None:
            if held < compiled.told:  # by themselves, so that rounding hangs on nobody else
                self._passes.read(self._cache, row, opening[: compiled.told], chunk)
            scores = self._passes.read(self._cache, row, opening, chunk, max(held, compiled.told))
        writing.counts.tokens_read = len(opening) - held
        self._begins[row] = opening, scores
        writing.opened(scores)
        self._active.append((user, writing))

    def _shared(self, row: int, opening: IntArray, parts: tuple[int, int]) -> tuple[FloatArray | None, int]:
        """Copy what a row has read before; return the scores after it, if they are known, and the tokens held then.

        parts: how many tokens are the whole prompt, and how many its examples; a row holds the one or the other.
        """
        alike = {source: _alike(read, opening) for source, (read, _scores) in self._begins.items()}
        for part in parts:
            for source, held in alike.items():
                if held < part or not part:
                    continue
                read, scores = self._begins[source]
                whole = held == len(read) == len(opening)
                held = held if whole else min(held if part == parts[0] else part, len(opening) - 1)
                self._cache.copy(source, row, held)
                return scores if whole else None, held
        return None, 0

    def _step(self) -> None:
        """Do one forward pass for all rows, and keep of the cache what was right."""
        feeds = [writing.feed() for _user, writing in self._active]
        begins = self._cache.lengths.copy()
        scores = self._passes.feed(self._cache, feeds)
        for row, (_user, writing) in enumerate(self._active):
            stay = writing.take(feeds[row], scores[row])
            if stay is not None:
                self._cache.keep(row, int(begins[row]), stay)

    def _finished(self) -> Iterator[tuple[int, Writing]]:
        """Take out the answers that are done; the last row moves into the gap, so that no row is fed for nothing."""
        for row in reversed(range(len(self._active))):
            if self._active[row][1].done:
                last = self._active.pop()
                done = last
                if row < len(self._active):
                    done, self._active[row] = self._active[row], last
                    self._cache.move(len(self._active), row)
                    self._begins[row] = self._begins[len(self._active)]
                yield done


def _alike(one: IntArray, other: IntArray) -> int:
    """Return how many tokens two texts begin with alike."""
    most = min(len(one), len(other))
    differ = one[:most] != other[:most]
    return int(differ.argmax()) if differ.any() else most
