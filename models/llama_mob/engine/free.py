"""Decoding as the paper does it: transformers' ``generate`` writes what the model likes, and the text is read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from bench.world import Grid
from models.llama_mob.prompts.parse import Reading, read_answer
from models.llama_mob.settings import Decoding
from models.llama_mob.tokens import Tokens

if TYPE_CHECKING:
    from models.llama_mob.engine import Task

SLACK = 64  # tokens that a reason of the model's own may be longer than the template's


@dataclass(frozen=True)
class Written:
    """What a model wrote for one user.

    text: without the chat's marks; reading: the answers in it; tokens: how many were written, the end-of-turn mark
    included, where it was reached.
    """

    text: str
    reading: Reading
    tokens: int


@dataclass(frozen=True)
class Batch:
    """What one call of ``generate`` wrote, in the order of the tasks; seconds before and after the first token."""

    written: list[Written]
    prefill_seconds: float
    decode_seconds: float


def write_freely(
    model: Any, tokens: Tokens, tasks: Sequence[Task], decoding: Decoding, *, seed: int, grid: Grid
) -> Batch:
    """Let the model write its answers to one batch of users, padded on the left.

    Each may write a tenth more tokens than its template has, and ``SLACK``; what is longer is cut off there, whoever
    else is in the batch. Sampling draws token s of a user by number s of a stream of its own for (seed, city, uid).
    """
    prompts = [task.compiled.prompt for task in tasks]
    limits = [length + length // 10 + SLACK for length in (len(task.compiled.answer) for task in tasks)]
    ids, mask = padded(prompts, tokens.end)
    draws = np.stack([uniform(seed, task.key, max(limits)) for task in tasks])
    choice = Choice(torch.from_numpy(draws), ids.shape[1], decoding)
    config = GenerationConfig(
        max_new_tokens=max(limits),
        do_sample=False,  # Choice does it, so that a sample hangs on no other row
        num_beams=1,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
    )
    started = time.perf_counter()
    with torch.inference_mode():
        said = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=config,
            logits_processor=LogitsProcessorList([choice]),
        )
    rows = said[:, ids.shape[1] :].cpu().numpy()
    ended = time.perf_counter()
    written = [_written(tokens, task, row[:most], grid) for task, row, most in zip(tasks, rows, limits, strict=True)]
    return Batch(written, choice.first - started, ended - choice.first)


def _written(tokens: Tokens, task: Task, row: np.ndarray, grid: Grid) -> Written:
    """Cut a row of tokens at the end of the turn, and read it."""
    ends = np.flatnonzero(row == tokens.end)
    count = int(ends[0]) + 1 if len(ends) else len(row)
    text = tokens.decode(row[:count])
    return Written(text, read_answer(text, task.queries, keyed=task.compiled.keyed, grid=grid), count)


def padded(prompts: Sequence[np.ndarray], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return prompts of unequal length as one matrix, filled up on the left, and where the prompts stand in it."""
    width = max(map(len, prompts))
    ids, mask = torch.full((len(prompts), width), fill), torch.zeros((len(prompts), width), dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.from_numpy(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask


def uniform(seed: int, key: tuple[str, int], steps: int) -> np.ndarray:
    """Return a user's random numbers in [0, 1), float64 (steps,); the first do not change when there are more."""
    text = "\x00".join(str(part) for part in ("free", seed, *key))
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
