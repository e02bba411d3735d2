"""Fitting and answering for the adapter: epochs, checkpoints, validation, and whether anything was learned."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from baselines.lp_bert.data import Example, batches, hide_days, pack, people, questions
from baselines.lp_bert.decode import best_cells, logits, predict
from baselines.lp_bert.model import LPBert
from baselines.lp_bert.store import load_state, peek, save_state
from baselines.lp_bert.train import Trainer, cosine
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window
from bench.evaluation.metrics import score_users

if TYPE_CHECKING:
    from baselines.lp_bert import LpBertSettings

GEOBLEU = "geobleu@humob24"
SAVE_EVERY = 60.0  # seconds
CHECKED = 60  # training users scored where there is nobody to validate on


@dataclass(frozen=True)
class Task:
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
        examples = questions(history, queries, self.cities)
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
            ctx.grid,
        )
        for i, cells in enumerate(chosen):
            ctx.check_time()
            ctx.progress("users", i + 1, len(examples))
            parts.append(cells)
        return np.concatenate(parts)

    def _decoded(self, model: LPBert, examples: list[Example], queries: Queries) -> np.ndarray:
        """Return what :meth:`answer` does, user by user decoded as the settings say."""
        settings, ctx = self.settings, self.ctx
        found = logits(model, examples, settings.predict_batch, self.precision, ctx.grid)
        users = zip(queries.users, found, strict=True)
        return np.concatenate([best_cells(x, y, queries.of(user), settings.decoding(), ctx) for user, (x, y) in users])


class Fit:
    """One fit: its trainer, the best weights so far, and counts; all but the data survive a kill."""

    def __init__(self, task: Task, model: LPBert, train: Trajectories, validate: Trajectories | None) -> None:
        self.task, self.train, self.validate = task, train, validate
        settings, ctx = task.settings, task.ctx
        self.people = [person for person in people(train, task.cities) if len(person.d) > 1]
        self.epochs, rate = settings.passes(), settings.rate()
        self.trainer = Trainer(model, rate, settings.aim(), task.precision, ctx.device)
        self.best = LPBert(model.shape).to(ctx.device)
        self.best.load_state_dict(model.state_dict())
        self.steps = self.epochs * -(-len(self.people) // settings.batch)
        asked = [settings.model_dump(), task.precision, ctx.seed, train.fingerprint()]
        self.done: dict[str, Any] = {"key": hashlib.sha256(json.dumps(asked).encode()).hexdigest()}
        self.done |= {"step": 0, "losses": [], "scores": [], "seconds": 0.0}
        self.began = self.saved = time.monotonic()

    def run(self) -> dict[str, int | float | str]:
        """Run all epochs, from the folder's checkpoint where there is one; leave the best weights in the model.

        The best are those of the epoch, the start among them, that scores highest on the validation users.
        """
        self._take_up()
        for epoch in range(len(self.done["scores"]), self.epochs + 1):
            if self._late():
                break
            if epoch:  # the start is scored as epoch 0
                self._epoch(epoch)
            self._validate(epoch)
            self._save()
        if self.validate is not None and self.done["scores"]:
            self.trainer.model.load_state_dict(self.best.state_dict())
        return self._facts()

    def _epoch(self, epoch: int) -> None:
        """Mask everybody anew and go through them once; steps that the checkpoint holds are passed over."""
        settings, ctx = self.task.settings, self.task.ctx
        rng = ctx.rng("lp_bert", "epoch", epoch)
        window = (ctx.window.history_days, ctx.window.horizon_days)
        examples = [hide_days(person, rng, *window, at_end=settings.mask_at_end) for person in self.people]
        groups = list(batches([len(example.hidden) for example in examples], settings.batch, rng))
        for group in groups[self.done["step"] - (epoch - 1) * len(groups) :]:
            ctx.check_time()
            if self._late():
                return
            step = self.done["step"]
            torch.manual_seed(ctx.seed_for("lp_bert", "step", step))
            loss = self.trainer.step(pack([examples[i] for i in group]), self._share(step))
            self.done["losses"].append(round(loss, 5))
            self.done["step"] = step + 1
            ctx.progress(f"epoch {epoch} of {self.epochs}", step + 1, self.steps)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self._save()

    def _share(self, step: int) -> float:
        settings, warm_up = self.task.settings, round(self.task.settings.warm_up * self.steps)
        return (
            cosine(step, self.steps, warm_up)
            if settings.schedule == "cosine"
            else min(1.0, (step + 1) / max(1, warm_up))
        )

    def _validate(self, epoch: int) -> None:
        """Score the model, and keep it if no earlier epoch was better."""
        model, best = self.trainer.model, max(self.done["scores"], default=-1.0)
        history, truth = self._examined()
        score = self._score(self.task.answer(model, history, truth.queries()), truth) if len(truth) else 0.0
        self.done["scores"].append(score)
        self.task.ctx.intermediate(epoch, score)
        if score > best:
            self.best.load_state_dict(model.state_dict())

    def _examined(self) -> tuple[Trajectories, Trajectories]:
        """History and truth of the validation users, or of some training users where there are none."""
        table = self.validate if self.validate is not None else self.train.only(self.train.users[:CHECKED])
        return examination(table, self.task.ctx.window)

    @staticmethod
    def _score(cells: np.ndarray, truth: Trajectories) -> float:
        return float(score_users(cells[:, 0], cells[:, 1], truth, (GEOBLEU,))[GEOBLEU].mean())

    def _late(self) -> bool:
        limit = self.task.settings.max_seconds
        return limit is not None and self._seconds() >= limit

    def _seconds(self) -> float:
        return float(self.done["seconds"] + time.monotonic() - self.began)

    def _take_up(self) -> None:
        folder = self.task.ctx.folder
        if peek(folder).get("key") == self.done["key"]:
            self.done = load_state(folder, self.trainer, self.best)

    def _save(self) -> None:
        self.saved = time.monotonic()
        save_state(self.task.ctx.folder, self.trainer, self.best, self.done | {"seconds": self._seconds()})

    def _facts(self) -> dict[str, int | float | str]:
        model, done, scores = self.trainer.model, self.done, self.done["scores"]
        size = sum(parameter.numel() for parameter in model.parameters())
        facts: dict[str, int | float | str] = {"parameters": size, "trained_parameters": size}
        facts |= {"init": self.task.settings.init, "epochs": max(0, len(scores) - 1), "steps": done["step"]}
        if done["losses"]:
            tenth = max(1, len(done["losses"]) // 10)
            ends = {"loss_first": done["losses"][:tenth], "loss_last": done["losses"][-tenth:]}
            facts |= {name: round(float(np.mean(part)), 4) for name, part in ends.items()}
        if self.validate is not None and scores:
            facts |= {"validation_geobleu": round(max(scores), 4), "best_epoch": int(np.argmax(scores))}
            facts |= {"start_geobleu": round(scores[0], 4)}
        reason = self._undertrained()
        return facts | ({"undertrained": reason} if reason else {})

    def _undertrained(self) -> str | None:
        """Say so if the model scores below each user's most frequent cell: it has not learned to read a history."""
        history, truth = self._examined()
        if not len(truth):
            return None
        own = self._score(self.task.answer(self.trainer.model, history, truth.queries()), truth)
        mode = self._score(most_frequent(history, truth), truth)
        if own >= mode:
            return None
        whom = "validation" if self.validate is not None else "training"
        return f"GEO-BLEU {own:.3f} on {whom} users, below {mode:.3f} of each user's most frequent cell"


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
