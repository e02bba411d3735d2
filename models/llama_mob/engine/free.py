"""Decoding as the paper does it: transformers' ``generate`` writes what the model likes, and the text is read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from bench.data.world import Grid
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import sizes
from models.llama_mob.engine.batch import Seconds
from models.llama_mob.engine.decode import Counts, Result, Task
from models.llama_mob.engine.sampling import check_finite
from models.llama_mob.prompts.parse import Reading, read_answer
from models.llama_mob.settings import Decoding

SLACK = 64  # tokens that a reason of the model's own may be longer than the template's


@dataclass(frozen=True)
class FreeResult(Result):
    """One user's answer: cells (n, 2), 0 where there is none; what the text says, and what is wrong with it.

    attempts: answers that were written; the last of them is this one, the counts are those of all.
    """

    reading: Reading
    attempts: int = 1

    @property
    def whole(self) -> bool:
        """Whether the text is well formed and answers each point once, and no other."""
        reading = self.reading
        return not (reading.malformed or reading.missing or reading.surplus or reading.duplicates)


class FreeWriter:
    """Lets a causal language model write its answers, and reads them.

    Each may write a tenth more tokens than its template has, and ``SLACK``; what is longer is cut off there. An answer
    that is not whole is sampled again, ``decoding.attempts`` times in all. Sampling draws token s of a user by number s
    of a stream of its own for (seed, city, uid, attempt). What a user gets does not depend
    on the batch but for rounding: in float32 where two tokens are as good as level. seconds: of the last call.
    """

    def __init__(self, model: Any, tokens: Tokens, decoding: Decoding, *, grid: Grid) -> None:
        self.model, self.tokens, self.decoding, self.grid = model, tokens, decoding, grid
        self.seconds = Seconds()

    def predict(
        self, tasks: Sequence[Task], progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> list[FreeResult]:
        """Return the results in the tasks' order. ``progress(done, total)`` is called after each batch and may raise.

        Users at a time: ``decoding.batch``, else as many as fit into memory; half as many after it ran out. Raises
        UserError where not even one fits.
        """
        self.seconds = Seconds()
        self.model.eval()
        nothing = np.empty(0, np.int64)
        results = {i: self._read(task, nothing) for i, task in enumerate(tasks) if not len(task.queries)}
        left = sorted(set(range(len(tasks))) - set(results), key=lambda i: -len(tasks[i].compiled.prompt))
        limit = self.decoding.batch
        while left:
            users = limit or self._users(tasks[left[0]])
            group = left[:users]
            try:
                attempts = [results[i].attempts + 1 if i in results else 1 for i in group]
                written = self._write([tasks[i] for i in group], attempts)
            except (RuntimeError, MemoryError) as error:
                if not sizes.ran_out(error):
                    raise
                if len(group) == 1:
                    raise UserError(
                        "memory ran out with one user: take fewer days of history or a smaller base"
                    ) from error
                limit = len(group) // 2
                continue
            for i, result in zip(group, written, strict=True):
                results[i] = _again(results[i], result) if i in results else result
            left = left[users:] + [i for i in group if self._tries_again(results[i])]
            progress(len(tasks) - len(left), len(tasks))
        return [results[i] for i in range(len(tasks))]

    def _tries_again(self, result: FreeResult) -> bool:
        sampled = self.decoding.temperature > 0
        return sampled and not result.whole and result.attempts < self.decoding.attempts

    def _users(self, longest: Task) -> int:
        """Return how many users fit into memory, with prompts read at once."""
        size, read = self.model.dtype.itemsize, len(longest.compiled.prompt)
        room = read + _most(longest)
        row = sizes.row_bytes(self.model.config, size, room) + sizes.pass_bytes(self.model.config, size, read, room)
        fit = sizes.free_bytes(str(self.model.device)) * sizes.SPARED // row
        return int(max(1, min(sizes.MOST[self.model.device.type], fit)))

    def _write(self, tasks: Sequence[Task], attempts: Sequence[int]) -> list[FreeResult]:
        """Write the answers of one batch, padded on the left; attempts: which one each task is at, from 1."""
        limits = [_most(task) for task in tasks]
        ids, mask = padded([task.compiled.prompt for task in tasks], self.tokens.end)
        draws = np.stack(
            [uniform(task.seed, task.key, max(limits), n) for task, n in zip(tasks, attempts, strict=True)]
        )
        choice = Choice(torch.from_numpy(draws), ids.shape[1], self.decoding)
        config = GenerationConfig(
            max_new_tokens=max(limits),
            do_sample=False,  # Choice does it, so that a sample hangs on no other row
            num_beams=1,
            eos_token_id=list(self.tokens.ends),
            pad_token_id=self.tokens.end,
        )
        started = time.perf_counter()
        with torch.inference_mode():
            said = self.model.generate(
                input_ids=ids.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                generation_config=config,
                logits_processor=LogitsProcessorList([choice]),
            )
        rows = said[:, ids.shape[1] :].cpu().numpy()
        self.seconds.prefill += choice.first - started
        self.seconds.decode += time.perf_counter() - choice.first
        return [self._read(task, row[:most]) for task, row, most in zip(tasks, rows, limits, strict=True)]

    def _read(self, task: Task, row: np.ndarray) -> FreeResult:
        """Cut a row of tokens at the first mark that ends an answer, and read it."""
        ends = np.flatnonzero(np.isin(row, self.tokens.ends))
        count = int(ends[0]) + 1 if len(ends) else len(row)
        text = self.tokens.decode(row[: ends[0]] if len(ends) else row)
        reading = read_answer(text, task.queries, keyed=task.compiled.keyed, grid=self.grid)
        cells = np.stack([reading.x, reading.y], axis=1).astype(np.int64)
        fed = max(0, count - 1)  # the last token is not read again
        counts = Counts(tokens_read=len(task.compiled.prompt), tokens_fed=fed, passes=fed)
        return FreeResult(cells, text, counts, reading)


def _again(before: FreeResult, now: FreeResult) -> FreeResult:
    """Return the later attempt with what both took."""
    counts = Counts(
        tokens_read=before.counts.tokens_read + now.counts.tokens_read,
        tokens_fed=before.counts.tokens_fed + now.counts.tokens_fed,
        passes=before.counts.passes + now.counts.passes,
    )
    return replace(now, counts=counts, attempts=before.attempts + 1)


def _most(task: Task) -> int:
    """Return how many tokens may be written."""
    return len(task.compiled.answer) * 11 // 10 + SLACK


def padded(prompts: Sequence[np.ndarray], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return prompts of unequal length as one matrix, filled up on the left, and where the prompts stand in it."""
    width = max(map(len, prompts))
    ids, mask = torch.full((len(prompts), width), fill), torch.zeros((len(prompts), width), dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.from_numpy(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask


def uniform(seed: int, key: tuple[str | int, ...], steps: int, attempt: int = 1) -> np.ndarray:
    """Return a user's random numbers in [0, 1), float64 (steps,); the first do not change when there are more."""
    again = (attempt,) if attempt > 1 else ()
    text = "\x00".join(str(part) for part in ("free", seed, *key, *again))
    counter = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=counter)).random(steps)


class Choice(LogitsProcessor):
    """Leaves one token possible a row: the best, or the one that the row's own random number draws.

    draws: float64 (rows, steps); start: tokens of the padded prompts. Remembers when the first scores came (``first``).
    """

    def __init__(self, draws: torch.Tensor, start: int, decoding: Decoding) -> None:
        self._draws, self._start = draws, start
        self._temperature, self._top_p = decoding.temperature, decoding.top_p
        self.first = 0.0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with all but the chosen token of each row at minus infinity."""
        check_finite(bool(scores.isfinite().all()))
        step = input_ids.shape[1] - self._start
        if not step:
            if scores.is_cuda:
                torch.cuda.synchronize(scores.device)
            self.first = time.perf_counter()
        if not self._temperature:
            return scores
        chosen = draw(scores.double() / self._temperature, self._draws[:, step].to(scores.device), self._top_p)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)


def draw(logits: torch.Tensor, numbers: torch.Tensor, top_p: float) -> torch.Tensor:
    """Return a token a row, by inverse distribution within the smallest set of probability ``top_p``.

    logits: float64 (rows, vocabulary); numbers: float64 (rows,) in [0, 1). As Holtzman et al. 2020 (arXiv 1904.09751).
    """
    shares, order = torch.softmax(logits, dim=1).sort(dim=1, descending=True, stable=True)
    reached = shares.cumsum(dim=1)
    shares = shares * (reached - shares < top_p)
    reached = shares.cumsum(dim=1)
    place = torch.searchsorted(reached, numbers[:, None] * reached[:, -1:], right=True)
    return order.gather(1, place.clamp(max=shares.shape[1] - 1))[:, 0]
