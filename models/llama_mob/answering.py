"""From histories and queries to answers: prompts, the engine or free text, one answer from several, what it took."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import PreTrainedModel

from bench.adapters.adapter import Context
from bench.data.trajectories import MISSING, OK, Answers, Queries, Trajectories, by_user
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from bench.evaluation.decoding import objective
from bench.evaluation.decoding.consensus import consensus
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
Engines = dict[tuple[Grid, Calendar, Decoding], Engine]


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
        """Return the answers, and what all of them took; a user without a history gets ``missing``.

        Of several samples a user, the day of highest expected GEO-BLEU is made. The first sample is the one that is
        drawn where one is asked for; the raw text is that of all, one below the other.
        """
        torch.set_num_threads(self.ctx.threads)
        writer, samples = self._writer(), self.settings.decoding.samples
        seeds = [self.ctx.seed_for("sample", i) if i else self.ctx.seed for i in range(samples)]
        tasks = list(self._tasks(history, queries))
        check_context(self.model, self.settings, max(map(self._length, tasks), default=0))
        results = writer.predict([replace(task, seed=seed) for task in tasks for seed in seeds], self._tell)
        of_user = places_of(tasks)
        parts = []
        for user, begin, end in zip(queries.users, queries.starts[:-1], queries.starts[1:], strict=True):
            one = np.ones(end - begin, np.int64)
            nothing = Answers.of(one, one, np.full(len(one), MISSING))
            drawn = [[results[place * samples + i] for place in of_user.get(user, ())] for i in range(samples)]
            asked = queries.take(slice(begin, end))
            parts.append(self._agreed(user, drawn, asked) if user in of_user else nothing)
        seconds = {"prefill_seconds": writer.seconds.prefill, "decode_seconds": writer.seconds.decode}
        return Answers.concat(parts), _spent(results) | {"users": len(of_user)} | seconds

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
        of_user, given = places_of(tasks), dict[tuple[str | int, ...], np.ndarray]()
        for user, places in of_user.items():
            true = rows.of(user)
            cells = np.split(np.stack([true.x, true.y], axis=1), len(places))
            given |= {tasks[place].key: part.ravel() for place, part in zip(places, cells, strict=True)}
        read = reader.read(tasks, given)
        noted = {user: [slot for place in places for slot in read[place]] for user, places in of_user.items()}
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
        grid, decoding = self.ctx.grid, self.settings.decoding
        if self.settings.one_pass:
            return OnePassReader(self.model, self.tokens, width=grid.width, height=grid.height, batch=decoding.batch)
        if decoding.mode == "free":
            return FreeWriter(self.model, self.tokens, decoding, grid=grid)
        asked = (grid, self.ctx.calendar, decoding)
        if asked not in self.engines:
            self.engines.clear()
            gc.collect()  # passes and recorded graphs refer to each other, and passes to the model
            off_days, width, height = self.ctx.calendar.is_off, grid.width, grid.height
            self.engines[asked] = self.engine(
                self.model, self.tokens, decoding, off_days=off_days, width=width, height=height,
                slots=grid.slots,
            )  # fmt: skip
        return self.engines[asked]

    def _tasks(self, history: Trajectories, queries: Queries) -> Iterator[Task]:
        """Yield a task for each user with a history, or for each of the user's points, in the queries' order."""
        template, seen = template_for(self.settings, self.ctx), readable(history, self.settings, self.ctx.grid)
        told = told_before(self.shown, template, self.settings, self.ctx)
        by_itself = self.settings.decoding.context == "history"
        for user, past, asked in by_user(seen, queries):
            if not len(past):
                continue
            past = shots.recent(past, self.settings.history_days)
            rows = np.stack([past.d, past.t, past.x, past.y], axis=1).astype(np.int64)
            points = np.stack([asked.d, asked.t], axis=1).astype(np.int64)
            for i in range(len(asked) if by_itself else 1):
                which = slice(i, i + 1) if by_itself else slice(None)
                compiled = compile_prompt(template, self.tokens, past, asked.take(which), told)
                yield Task(compiled, (*user, *points[i].tolist()) if by_itself else user, rows, points[which])

    def _length(self, task: Task) -> int:
        """Return how many tokens a user takes, the answer's among them where one is written."""
        return len(task.compiled.prompt) + (0 if self.settings.one_pass else len(task.compiled.answer))

    def _agreed(self, user: tuple[str, int], drawn: Sequence[Sequence[Result | FreeResult]], asked: Queries) -> Answers:
        """Return one user's answer with the raw text: the only one, or the consensus of several samples.

        drawn: for each sample what was written, in one piece or point by point. The control's coordinates are turned
        back into true ones.
        """
        runs = [self._given(pieces) for pieces in drawn]
        aim, cell_km = objective("humob24"), self.ctx.grid.cell_km
        found = runs[0] if len(runs) == 1 else consensus(runs, asked, "expected_geobleu", aim, cell_km)
        texts = ["\n".join(piece.text for piece in pieces) for pieces in drawn]
        return replace(found, raw={user: "\n\n".join(texts)})

    def _given(self, pieces: Sequence[Result | FreeResult]) -> Answers:
        cells = np.concatenate([piece.cells for piece in pieces])
        said = [piece.reading.status for piece in pieces if isinstance(piece, FreeResult)]
        status = np.concatenate(said) if said else np.full(len(cells), OK)
        if self.settings.permute:
            cells = Permutation.of(self.ctx.grid).undo(cells)
        return Answers.of(cells[:, 0], cells[:, 1], status)

    def _tell(self, done: int, total: int) -> None:
        self.ctx.check_time()
        self.ctx.progress("answers", done, total)


def places_of(tasks: Sequence[Task]) -> dict[tuple[str, int], list[int]]:
    """Return which tasks are a user's, in their order."""
    found: dict[tuple[str, int], list[int]] = {}
    for place, task in enumerate(tasks):
        city, uid, *_point = task.key
        found.setdefault((str(city), int(uid)), []).append(place)
    return found


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
