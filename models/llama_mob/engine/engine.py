"""The decoding engine: users in batches of unequal length, every answer in its template, drafts verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from bench.data.world import HALF_HOURS
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import sizes
from models.llama_mob.engine.attention import attending
from models.llama_mob.engine.batch import Batch, Seconds
from models.llama_mob.engine.cache import KeyValueCache
from models.llama_mob.engine.decode import Counts, Drafting, Numerals, Result, Task, Writing, reach
from models.llama_mob.engine.drafter import Drafter
from models.llama_mob.engine.graphs import Graphs, Recorder, on_cuda, room_for
from models.llama_mob.engine.passes import IntArray, Passes
from models.llama_mob.engine.sampling import Choice
from models.llama_mob.settings import Decoding


class Engine:
    """Fills answer templates with a causal language model: an x is one of 1..width, a y one of 1..height.

    The modes of ``decoding`` (all but `free`) differ in passes, not in answers: in float32 each gives what ``forced``
    gives, but for leads as small as rounding errors (``Counts.margin``); in bfloat16 some percent of slots differ.
    off_days: days -> which are off-days; slots: of a day; drafter: makes what guesses for a user, by default from
    history and earlier answers; record: how passes are recorded, on CUDA as graphs; seconds: of the last call. An
    engine holds its cache and its graphs between calls: keep it for as long as the model is asked.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Tokens,
        decoding: Decoding,
        *,
        off_days: Callable[[IntArray], np.ndarray],
        width: int,
        height: int,
        slots: int = HALF_HOURS,
        drafter: Callable[[Task], Drafting] | None = None,
        record: Recorder | None = None,
    ) -> None:
        self.model, self.tokens, self.decoding = model, tokens, decoding
        self.width, self.height, self._off_days, self._slots = width, height, off_days, slots
        self._drafter = drafter
        self.seconds = Seconds()
        self._passes = Passes(model, np.empty(0, np.int64))
        if record or self._passes.device.type == "cuda":
            self._passes.graphs = Graphs(self._passes.forward, record or on_cuda())
        self._held: KeyValueCache | None = None
        self._limit = decoding.batch

    def predict(
        self, tasks: Sequence[Task], progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> list[Result]:
        """Return the results in the tasks' order. ``progress(done, total)`` is called after each and may raise.

        Users at a time: ``decoding.batch``, else as many as fit into memory; half as many after it ran out, with no
        answer lost. Raises UserError where not even one fits.
        """
        self.seconds = Seconds()
        results = {i: _nothing() for i, task in enumerate(tasks) if not len(task.queries)}
        asked = {i: task.compiled for i, task in enumerate(tasks) if i not in results}
        if not asked:
            return list(results.values())
        self._numerals = Numerals.of(list(asked.values()), (self.width, self.height))
        sizes_of = {i: reach(compiled, self.decoding, self._numerals) for i, compiled in asked.items()}
        left = sorted(sizes_of, key=lambda i: -sizes_of[i][0])
        self.model.eval()
        with torch.inference_mode(), attending(self.model):
            self._passes.choose_from(self._numerals.ids)
            while left:
                lengths, feeds = zip(*(sizes_of[i] for i in left), strict=True)
                room = room_for(lengths[0], max(feeds))
                users = self._users(len(left), room, max(feeds))
                try:
                    for i, writing in self._decode(tasks, _alike(left, lengths, users), users, room):
                        results[i] = self._result(writing)
                        progress(len(results), len(tasks))
                except (RuntimeError, MemoryError) as error:
                    self._held = None
                    self._limit = fewer(error, users, room)
                left = [i for i in left if i not in results]
        return [results[i] for i in range(len(tasks))]

    def _users(self, waiting: int, room: int, feed: int) -> int:
        """Return how many users to decode at a time; a cache that is held and does not do for them is dropped."""
        wanted, held = min(waiting, self._limit or sizes.MOST[self._passes.device.type]), self._held
        if held is not None and held.room >= room and held.rows >= wanted:
            return wanted
        self._held = None
        return min(wanted, self._limit or sizes.users_at_a_time(self._passes, room, feed))

    def _decode(self, tasks: Sequence[Task], group: list[int], users: int, room: int) -> Iterator[tuple[int, Writing]]:
        """Yield a group's answers as they get done, in a cache that is held for later groups and calls."""
        if self._held is None:
            self._held = self._passes.cache(users, room)
        batch = Batch(self._passes, self._held, users, lambda i: self._start(tasks[i]), self.seconds)
        yield from batch.work(group, sizes.CHUNK[self._passes.device.type])

    def _start(self, task: Task) -> Writing:
        """Return a task's answer with nothing found yet."""
        slots, widest = len(task.compiled.slots), max(self.width, self.height)
        asked = self.decoding
        nearest = asked.choose == "expected_proximity"
        choice = Choice(task.seed, task.key, slots, widest, asked.temperature, asked.top_p, nearest)
        drafter = (self._drafter or self._guessing)(task) if asked.mode == "speculative" else None
        return Writing(task, self.decoding, choice, drafter, self._numerals)

    def _guessing(self, task: Task) -> Drafting:
        seen, asked = (rows.copy() for rows in (task.history, task.queries))
        for rows in (seen, asked):  # the drafter's weights know half-hours
            rows[:, 1] = rows[:, 1] * HALF_HOURS // self._slots
        return Drafter(seen, asked, self._off_days, threshold=self.decoding.stop)

    def _result(self, writing: Writing) -> Result:
        return Result(writing.numbers.reshape(-1, 2), self.tokens.decode(np.array(writing.ids)), writing.counts)


def _alike(users: Sequence[int], lengths: Sequence[int], fewest: int) -> list[int]:
    """Return the first users, sorted by length: those that have at least half as much as the first, or ``fewest``."""
    return list(users[: max(fewest, sum(2 * length >= lengths[0] for length in lengths))])


def fewer(error: Exception, users: int, room: int) -> int:
    """Return half the users after memory ran out; raise anything else again, and UserError if there was one only."""
    if not sizes.ran_out(error):
        raise error
    if users == 1:
        raise UserError(
            f"memory ran out with one user of {room} tokens: take fewer days of history, a smaller or quantized base, "
            "or a machine with more memory"
        ) from error
    return users // 2


def _nothing() -> Result:
    return Result(np.empty((0, 2), np.int64), "", Counts())
