"""From histories and queries to answers: prompts, the engine or free text, and what it took."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import PreTrainedModel

from bench.adapters.adapter import Context
from bench.data.trajectories import MISSING, OK, Answers, Queries, Trajectories, by_user
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from bench.evaluation.probabilities import AxisProbabilities
from models.llama_mob.base.layouts import Turn
from models.llama_mob.base.permutation import Permutation
from models.llama_mob.base.rope import STRETCHABLE
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import Engine, Result, Task
from models.llama_mob.engine.free import FreeResult, FreeWriter
from models.llama_mob.engine.likelihood import Likelihood
from models.llama_mob.engine.onepass import OnePassReader
from models.llama_mob.engine.passes import causal_of
from models.llama_mob.prompts import shots
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import MASK, Template
from models.llama_mob.settings import Decoding, LlamaMobSettings

FAULTS = ("malformed", "missing", "surplus", "out_of_range", "duplicates")

Usage = dict[str, float]
Engines = dict[tuple[int, Grid, Calendar, Decoding], Engine]


@dataclass(frozen=True)
class Answering:
    """A model that is ready to answer.

    engines: the one of the call before, which holds its cache and CUDA graphs; shown: rows of the users whose solved
    examples stand before every question.
    """

    model: PreTrainedModel
    tokens: Tokens
    settings: LlamaMobSettings
    ctx: Context
    engines: Engines = field(default_factory=dict)
    shown: Trajectories | None = None
    engine: ClassVar[type[Engine]] = Engine

    def answer(self, history: Trajectories, queries: Queries) -> tuple[Answers, Usage]:
        """Return the answers, and what all of them took; a user without a history gets ``missing``."""
        torch.set_num_threads(self.ctx.threads)
        writer = self._writer()
        tasks = list(self._tasks(history, queries))
        check_context(self.model, self.settings, max(map(self._length, tasks), default=0))
        results = writer.predict(tasks, self._tell)
        given = {task.key: self._given(task, result) for task, result in zip(tasks, results, strict=True)}
        parts = []
        for user, count in zip(queries.users, np.diff(queries.starts).tolist(), strict=True):
            nothing = Answers.of(np.ones(count), np.ones(count), np.full(count, MISSING))
            parts.append(given.get(user, nothing))
        seconds = {"prefill_seconds": writer.seconds.prefill, "decode_seconds": writer.seconds.decode}
        return Answers.concat(parts), _spent(results) | seconds

    def probabilities(self, history: Trajectories, queries: Queries, shown: Trajectories) -> AxisProbabilities:
        """Return how likely each x is and, given the x that is shown, each y; cells before a query are read as shown.

        A user without a history gets a uniform guess. The answer is read in its template, whatever the decoding.
        """
        torch.set_num_threads(self.ctx.threads)
        grid, tasks = self.ctx.grid, list(self._tasks(history, queries))
        check_context(self.model, self.settings, max(map(self._length, tasks), default=0))
        off_days, batch = self.ctx.calendar.is_off, self.settings.decoding.batch
        reader = Likelihood(
            self.model, self.tokens, off_days=off_days, width=grid.width, height=grid.height, batch=batch
        )
        rows = readable(shown, self.settings, grid)
        given = {task.key: np.stack([(of := rows.of(task.key)).x, of.y], axis=1).ravel() for task in tasks}
        noted = dict(zip((task.key for task in tasks), reader.read(tasks, given), strict=True))
        even = [np.full(size, 1 / size) for size in (grid.width, grid.height)]
        found = [
            noted.get(user) or even * count
            for user, count in zip(queries.users, np.diff(queries.starts).tolist(), strict=True)
        ]
        x, y = (
            np.array([row for slots in found for row in slots[axis::2]], float).reshape(len(queries), -1)
            for axis in (0, 1)
        )
        if self.settings.permute:
            names = Permutation.of(grid)
            x, y = x[:, names.x[1:] - 1], y[:, names.y[1:] - 1]
        return AxisProbabilities(x, y)

    def _writer(self) -> Engine | FreeWriter | OnePassReader:
        seed, grid, decoding = self.ctx.seed, self.ctx.grid, self.settings.decoding
        if self.settings.one_pass:
            return OnePassReader(self.model, self.tokens, width=grid.width, height=grid.height, batch=decoding.batch)
        if decoding.mode == "free":
            return FreeWriter(self.model, self.tokens, decoding, seed=seed, grid=grid)
        asked = (seed, grid, self.ctx.calendar, decoding)
        if asked not in self.engines:
            self.engines.clear()
            gc.collect()  # an engine refers to itself, and its cache may take most of the memory
            off_days, width, height = self.ctx.calendar.is_off, grid.width, grid.height
            self.engines[asked] = self.engine(
                self.model, self.tokens, decoding, seed=seed, off_days=off_days, width=width, height=height,
                slots=grid.slots,
            )  # fmt: skip
        return self.engines[asked]

    def _tasks(self, history: Trajectories, queries: Queries) -> Iterator[Task]:
        """Yield a task for each user with a history, in the queries' order."""
        template, seen = template_for(self.settings, self.ctx), readable(history, self.settings, self.ctx.grid)
        told = told_before(self.shown, template, self.settings, self.ctx)
        for user, past, asked in by_user(seen, queries):
            if len(past):
                past = shots.recent(past, self.settings.history_days)
                compiled = compile_prompt(template, self.tokens, past, asked, told)
                rows = np.stack([past.d, past.t, past.x, past.y], axis=1).astype(np.int64)
                yield Task(compiled, user, rows, np.stack([asked.d, asked.t], axis=1).astype(np.int64))

    def _length(self, task: Task) -> int:
        """Return how many tokens a user takes, the answer's among them where one is written."""
        return len(task.compiled.prompt) + (0 if self.settings.one_pass else len(task.compiled.answer))

    def _given(self, task: Task, result: Result) -> Answers:
        """Return one user's answers with the raw text; the control's coordinates are turned back into true ones."""
        cells = result.cells
        status = result.reading.status if isinstance(result, FreeResult) else np.full(len(cells), OK)
        if self.settings.permute:
            cells = Permutation.of(self.ctx.grid).undo(cells)
        return replace(Answers.of(cells[:, 0], cells[:, 1], status), raw={task.key: result.text})

    def _tell(self, done: int, total: int) -> None:
        self.ctx.check_time()
        self.ctx.progress("users", done, total)


def _spent(results: list[Result] | list[FreeResult]) -> Usage:
    """Add up what all users took."""
    counts = [result.counts for result in results]
    spent: Usage = {"users": len(counts), "forward_passes": sum(count.passes for count in counts)}
    for name in ("tokens_read", "tokens_fed", "drafted", "accepted"):
        spent[name] = sum(getattr(count, name) for count in counts)
    margin = min((count.margin for count in counts), default=np.inf)
    if np.isfinite(margin):
        spent["smallest_margin"] = float(margin)
    free = [result for result in results if isinstance(result, FreeResult)]
    if free:
        spent |= {name: sum(getattr(result.reading, name) for result in free) for name in FAULTS}
        spent["attempts"] = sum(result.attempts for result in free)
    return spent


def template_for(settings: LlamaMobSettings, ctx: Context) -> Template:
    """Return the prompt's template.

    Raises UserError for a grid or days beyond the numbers that are one token, and where nothing says what is asked for.
    """
    last = max(ctx.grid.width, ctx.grid.height, ctx.window.horizon[1])
    if last >= MASK:
        raise UserError(f"llama_mob: cells and days up to {MASK - 1} can be written; the data reach {last}")
    template = Template.build(settings.instruction, ctx.grid, ctx.calendar)
    if not template.listed and (settings.one_pass or not template.layout.keyed):
        raise UserError(
            f"{settings.instruction.template}: its question lists no points to predict (d t {MASK} {MASK}), and the "
            "answer names no day or timeslot: take a conversation file that lists them, or the answer d t x y"
        )
    return template


def told_before(shown: Trajectories | None, template: Template, settings: LlamaMobSettings, ctx: Context) -> list[Turn]:
    """Return the solved examples of the users who are shown, as the model reads them."""
    if shown is None:
        return []
    rows = readable(shown, settings, ctx.grid)
    return shots.turns(template, shots.cut(rows, ctx.window, settings.history_days))


def check_context(model: PreTrainedModel, settings: LlamaMobSettings, tokens: int) -> None:
    """Raise UserError where a prompt and its answer are longer than what the base reads."""
    config, fewer = causal_of(model).config, "fewer history_days or shots" if settings.shots else "fewer history_days"
    check_windows(config, tokens, fewer)
    reads = int(config.max_position_embeddings)
    if tokens > reads:
        factor = math.ceil(10 * (settings.rope_scaling or 1) * tokens / reads) / 10
        stretches = config.rope_parameters.get("rope_type") in STRETCHABLE
        raise UserError(
            f"llama_mob: prompt and answer take {tokens:,} tokens, the base reads {reads:,}: "
            + (f"set rope_scaling to {factor:g} or more, or " if stretches else "")
            + f"take {fewer}"
            + ("" if stretches else ", or another base (this one stretches its own positions)")
        )


def check_windows(config: Any, tokens: int, fewer: str = "fewer history_days") -> None:
    """Raise UserError where layers of a base see less than a prompt and its answer: the engine shows them all of it."""
    window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
    if window and tokens > window and (kinds is None or "sliding_attention" in kinds):
        raise UserError(
            f"llama_mob: prompt and answer take {tokens:,} tokens, but some layers of the base see only {window:,}, "
            f"which the engine does not do: take {fewer}, or another base"
        )


def readable(table: Trajectories, settings: LlamaMobSettings, grid: Grid) -> Trajectories:
    """Return the rows as the model reads them: in the control, with permuted coordinates."""
    return Permutation.of(grid).apply(table) if settings.permute else table
