"""Fitting and answering for the adapter: masks, validation, and whether anything was learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from baselines.lp_bert.data import Example, hide_days, hide_once, pack, people, questions
from baselines.lp_bert.decode import best_cells, logits, predict
from baselines.lp_bert.loss import loss_of
from baselines.lp_bert.model import LPBert
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window, not_humob
from bench.evaluation.metrics import score_users
from bench.training.batching import batches
from bench.training.fit_report import FitReport
from bench.training.loop import Step, Task, Team, Trainer
from bench.training.recipe import Recipe

if TYPE_CHECKING:
    from baselines.lp_bert import LpBertSettings

GEOBLEU = "geobleu@humob24"
CHECKED = 60  # training users scored where there is nobody to validate on
Facts = dict[str, int | float | str]


@dataclass(frozen=True)
class Setup:
    """What fitting and answering share: settings, cities that have an embedding, the harness's context, precision."""

    settings: LpBertSettings
    cities: tuple[str, ...]
    ctx: Context
    precision: str

    def __post_init__(self) -> None:
        torch.set_num_threads(self.ctx.threads)

    def answer(self, model: LPBert, history: Trajectories, queries: Queries) -> np.ndarray:
        """Return int64 (queries, 2), the cells of all queries in their order; every user has a history."""
        settings, ctx = self.settings, self.ctx
        examples = questions(history, queries, self.cities, ctx)
        parts = []
        if settings.decode != "axis":
            return self._decoded(model.to(ctx.device), examples, queries)
        chosen = predict(
            model.to(ctx.device),
            examples,
            settings.predict_batch,
            self.precision,
            settings.penalty,
            settings.penalty_on,
        )
        for i, cells in enumerate(chosen):
            ctx.check_time()
            ctx.progress("users", i + 1, len(examples))
            parts.append(cells)
        return np.concatenate(parts)

    def shares(self, model: LPBert, history: Trajectories, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities of x and of y, float32 (queries, width) and (queries, height)."""
        examples = questions(history, queries, self.cities, self.ctx)
        found = logits(model.to(self.ctx.device), examples, self.settings.predict_batch, self.precision)
        x, y = zip(*found, strict=True)
        return softmax(np.concatenate(x), axis=1), softmax(np.concatenate(y), axis=1)

    def _decoded(self, model: LPBert, examples: list[Example], queries: Queries) -> np.ndarray:
        """Return what :meth:`answer` does, user by user decoded as the settings say."""
        settings, ctx = self.settings, self.ctx
        found = logits(model, examples, settings.predict_batch, self.precision)
        users = zip(queries.users, found, strict=True)
        return np.concatenate(
            [best_cells(x, y, queries.of(user), settings.decoding(), ctx.at(user[0])) for user, (x, y) in users]
        )


class Fitting(Task[list[Example]]):
    """The task of one fit: users with masked days; a score on the validation users, or on some training users."""

    def __init__(self, setup: Setup, train: Trajectories, validate: Trajectories | None) -> None:
        self.setup = setup
        self.people = [person for person in people(train, setup.cities, setup.ctx) if len(person.d) > 1]
        self.masked = self._masked_once() if setup.settings.masks == "once" else None
        self.epoch_steps = -(-len(self.people if self.masked is None else self.masked) // setup.settings.batch)
        table = validate if validate is not None else train.only(train.users[:CHECKED])
        self.history, self.truth = examination(table, setup.ctx.window)

    def steps(self, epoch: int, first: int) -> Iterator[Step[list[Example]]]:
        """Yield the steps of an epoch, with masks of its own unless they are drawn once."""
        settings, rng = self.setup.settings, self.setup.ctx.rng("lp_bert", "epoch", epoch)
        examples = self._masked_anew(rng) if self.masked is None else self.masked
        lengths = [len(example.hidden) for example in examples]
        for group in batches(lengths, settings.batch, rng, settings.similar_lengths)[first:]:
            yield Step([[examples[i] for i in group]])

    def loss(self, network: nn.Module, part: list[Example]) -> Tensor:
        """Return the mean loss over a batch's hidden rows."""
        return loss_of(network, pack(part).to(self.setup.ctx.device), self.setup.settings.aim())

    def score(self, network: nn.Module, team: Team) -> float:
        """Return the mean GEO-BLEU of the people checked on; 0 where there is nobody."""
        if not len(self.truth):
            return 0.0
        assert isinstance(network, LPBert)
        return self.geobleu(self.setup.answer(network, self.history, self.truth.queries()))

    def geobleu(self, cells: np.ndarray) -> float:
        """Score answers to the rows of the people checked on."""
        return float(score_users(cells[:, 0], cells[:, 1], self.truth, (GEOBLEU,))[GEOBLEU].mean())

    def _masked_anew(self, rng: np.random.Generator) -> list[Example]:
        window, at_end = self.setup.ctx.window, self.setup.settings.mask_at_end
        days = (window.history_days, window.horizon_days)
        return [hide_days(person, rng, *days, at_end=at_end) for person in self.people]

    def _masked_once(self) -> list[Example]:
        """Return the same masks for all epochs; who has too few days for one is left out."""
        ctx = self.setup.ctx
        rng, horizon = ctx.rng("lp_bert", "masks"), ctx.window.horizon_days
        return [example for person in self.people if (example := hide_once(person, rng, horizon)) is not None]


def fit(setup: Setup, model: LPBert, train: Trajectories, validate: Trajectories | None) -> Facts:
    """Train from the folder's checkpoint, where there is one; leave the kept weights in the model; return facts."""
    settings, ctx = setup.settings, setup.ctx
    task = Fitting(setup, train, validate)
    recipe = Recipe(
        epochs=settings.passes(),
        learning_rate=settings.rate(),
        schedule=settings.schedule,
        warm_up_steps=round(settings.warm_up * settings.passes() * task.epoch_steps),
        clip_norm=settings.clip_norm,
        precision=setup.precision,
        keep=settings.keep if validate is not None else "last",
        max_seconds=settings.max_seconds,
    )
    report = Trainer("lp_bert", model, task, recipe, ctx, _key(setup, train, validate)).run()
    return _facts(report, settings, validated=validate is not None) | _undertrained(task, model, validate is not None)


def _key(setup: Setup, train: Trajectories, validate: Trajectories | None) -> str:
    """Hash what the kept weights depend on."""
    rows = [table.fingerprint() for table in (train, validate) if table is not None]
    asked = [setup.settings.model_dump(), setup.precision, setup.ctx.seed, repr(setup.ctx.window), rows]
    if worlds := not_humob(setup.ctx.worlds):
        asked.append(worlds)
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _facts(report: FitReport, settings: LpBertSettings, *, validated: bool) -> Facts:
    facts: Facts = {"parameters": report.learned, "init": settings.init, **report.facts()}
    if validated:
        start, kept = report.scores[0][1], report.score(report.kept_step)
        facts |= {"start_geobleu": round(start, 4), "validation_geobleu": round(kept, 4)}
        facts |= {"best_epoch": report.kept_epoch, "kept_step": report.kept_step}
    return facts


def _undertrained(task: Fitting, model: LPBert, validated: bool) -> Facts:
    """Say so if the model scores below each user's most frequent cell: it has not learned to read a history."""
    if not len(task.truth):
        return {}
    own = task.geobleu(task.setup.answer(model, task.history, task.truth.queries()))
    mode = task.geobleu(most_frequent(task.history, task.truth))
    whom = "validation" if validated else "training"
    if own >= mode:
        return {}
    return {"undertrained": f"GEO-BLEU {own:.3f} on {whom} users, below {mode:.3f} of each user's most frequent cell"}


def examination(table: Trajectories, window: Window) -> tuple[Trajectories, Trajectories]:
    """Cut history and truth to try a model on: the case's window where the table reaches its end, else its last days.

    Users without rows in one of the two are left out.
    """
    last = min(window.horizon[1], int(table.d.max())) if len(table) else window.horizon[1]
    begin = last - window.horizon_days + 1
    history, truth = table.days(begin - window.history_days, begin - 1), table.days(begin, last)
    both = sorted(set(history.users) & set(truth.users))
    return history.only(both), truth.only(both)


def most_frequent(history: Trajectories, truth: Trajectories) -> np.ndarray:
    """Return int64 (rows, 2): each user's most frequent cell, for every row of the truth."""
    from bench.adapters.registry import make

    answers = make("user_mode").predict(history, truth.queries(), Context())
    return np.stack([answers.x, answers.y], axis=1).astype(np.int64)
