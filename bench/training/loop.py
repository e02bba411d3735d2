"""The training loop: steps, validation, checkpoints, the kept weights. One process or several that keep in step."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from bench.adapters.adapter import Context
from bench.errors import UserError
from bench.training import checkpoint
from bench.training.fit_report import FitReport
from bench.training.precision import autocast
from bench.training.recipe import Recipe

SAVE_EVERY = 60.0  # seconds
LOCK = "training.lock"
Part = TypeVar("Part")


@dataclass(frozen=True)
class Step(Generic[Part]):
    """What one step learns from: parts whose losses add up, and counts that the record sums (tokens, users)."""

    parts: Sequence[Part]
    counts: Mapping[str, int] = field(default_factory=dict)


class Team:
    """The processes of a fit: how many, which one this is, and sums over all."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.size, self.rank = accelerator.num_processes, accelerator.process_index
        self._accelerator = accelerator

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over the processes."""
        summed: Tensor = self._accelerator.reduce(tensor, "sum") if self.size > 1 else tensor
        return summed


class Task(ABC, Generic[Part]):
    """What to learn. A part is anything that ``loss`` understands.

    epoch_steps: steps an epoch; counted: names of what its steps count.
    """

    epoch_steps: int
    counted: tuple[str, ...] = ()

    @abstractmethod
    def steps(self, epoch: int, first: int) -> Iterable[Step[Part]]:
        """Yield the steps of an epoch (counted from 1), from the step ``first`` of this epoch (from 0) on."""

    @abstractmethod
    def loss(self, network: nn.Module, part: Part) -> Tensor:
        """Return a part's share of its step's loss. Several processes divide a step's parts among them."""

    def score(self, network: nn.Module, team: Team) -> float | None:
        """Score the network, in evaluation mode, on held-out people: higher is better; None: there is nobody."""
        return None

    def validated(self, progress: Mapping[str, Any]) -> None:
        """Hear of each validation, e.g. to write a log; progress: step, losses, scores, counts, seconds."""


class Trainer(Generic[Part]):
    """One fit of a network's weights that need a gradient; all but the data survive a kill.

    name: begins the purpose of its random numbers; key: names all that the result depends on, so that a checkpoint of
    another fit is not taken up.
    """

    def __init__(self, name: str, network: nn.Module, task: Task[Part], recipe: Recipe, ctx: Context, key: str) -> None:
        self.name, self.task, self.recipe, self.ctx = name, task, recipe, ctx
        self.weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.accelerator = Accelerator(cpu=ctx.device == "cpu")
        self.team = Team(self.accelerator)
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer_of(self.weights, recipe))
        self.average = averaged(network, recipe.average) if recipe.average else None
        self.kept: dict[str, Tensor] = {}
        self.steps, self.rate = recipe.epochs * task.epoch_steps, recipe.rates(task.epoch_steps)
        self.every = recipe.validate_every or task.epoch_steps
        self.progress: dict[str, Any] = {"key": key, "step": 0, "losses": [], "scores": [], "kept_step": None}
        self.progress |= {"counts": dict.fromkeys(task.counted, 0), "seconds": 0.0}
        self.began = self.saved = time.monotonic()

    def run(self) -> FitReport:
        """Train to the end, from the folder's checkpoint where there is one; leave the kept weights in the network.

        Raises FloatingPointError where training diverges, UserError where another process trains in the folder, and
        what the context's functions raise.
        """
        with self._alone():
            self._run()
        checkpoint.put(self.weights, self.kept or self._current())
        return self._report()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder; the system lets go of it when the process dies."""
        if not self.accelerator.is_main_process:
            yield
            return
        self.ctx.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.ctx.folder / LOCK, timeout=0):
                yield
        except Timeout:
            raise UserError(f"{self.ctx.folder}: another process trains there; wait for it, or stop it") from None

    def _run(self) -> None:
        self._resume()
        if not self.progress["scores"]:
            self._validate()  # the start
        while self.progress["step"] < self.steps and not self._late():
            epoch, first = divmod(self.progress["step"], self.task.epoch_steps)
            for step in self.task.steps(epoch + 1, first):
                self.ctx.check_time()
                if self._late():
                    break
                self._step(step)
                self._after(epoch + 1)
        if self.progress["step"] < self.steps and self.progress["scores"][-1][0] < self.progress["step"]:
            self._validate()  # stopped early: the last weights may be the best

    def _after(self, epoch: int) -> None:
        step = self.progress["step"]
        self.ctx.progress(f"training: epoch {epoch} of {self.recipe.epochs}", step, self.steps)
        if step % self.every == 0:
            self._validate()
        elif time.monotonic() - self.saved > SAVE_EVERY:
            self._save()

    def _step(self, step: Step[Part]) -> None:
        """Learn from one step's parts, of which each process takes its share."""
        number = self.progress["step"]
        torch.manual_seed(self.ctx.seed_for(self.name, "step", number))
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.rate(number)
        size, own = self.team.size, [(part, 1.0) for part in step.parts[self.team.rank :: self.team.size]]
        own = own or [(step.parts[0], 0.0)]  # the others wait for its gradient
        self.network.train()
        total = torch.zeros((), device=self.accelerator.device)
        for i, (part, worth) in enumerate(own):
            with nullcontext() if i == len(own) - 1 else self.accelerator.no_sync(self.network):
                with autocast(self.accelerator.device.type, self.recipe.precision):
                    loss = self.task.loss(self.network, part) * worth
                self.accelerator.backward(loss * size)  # several processes average their gradients
            total += loss.detach()
        self._descend(float(self.team.sum(total)))
        for name, count in step.counts.items():
            self.progress["counts"][name] += count

    def _descend(self, loss: float) -> None:
        """Move the weights along the gradient. Raises FloatingPointError for a loss or a gradient without end."""
        clip, number = self.recipe.clip_norm, self.progress["step"] + 1
        norm = float(self.accelerator.clip_grad_norm_(list(self.weights.values()), clip)) if clip else 0.0
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise _diverged(f"the loss is {loss} and the gradient's norm {norm} at step {number} of {self.steps}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.accelerator.unwrap_model(self.network))
        self.progress["losses"].append(round(loss, 5))
        self.progress["step"] = number

    @torch.no_grad()
    def _validate(self) -> None:
        """Note the score, keep the weights if they are the best so far, and save."""
        step, recipe = self.progress["step"], self.recipe
        network = self.average.module if self.average is not None else self.network
        network.eval()
        score = self.task.score(network, self.team)
        if (score is not None and not math.isfinite(score)) or not all(
            weight.isfinite().all() for weight in self.weights.values()
        ):
            raise _diverged(f"after step {step} of {self.steps} the weights are of no use")
        scores, start_counts = self.progress["scores"], recipe.keep == "best"
        if score is not None:
            self.ctx.intermediate(len(scores), score)
            before = max((old for at, old in scores if old is not None and (at or start_counts)), default=-math.inf)
            if recipe.keep != "last" and (step or start_counts) and score > before:
                self.kept, self.progress["kept_step"] = copied(self._current()), step
        scores.append((step, score))
        self._count_seconds()
        self.task.validated(self.progress)
        self._save()

    def _current(self) -> Mapping[str, Tensor]:
        """Return the weights that count: their running average where there is one."""
        if self.average is None:
            return self.weights
        return {name: weight for name, weight in self.average.module.named_parameters() if name in self.weights}

    def _late(self) -> bool:
        limit = self.recipe.max_seconds
        if limit is None:
            return False
        self._count_seconds()
        over = torch.tensor(float(self.progress["seconds"] >= limit), device=self.accelerator.device)
        return float(self.team.sum(over)) > 0  # several processes stop together

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.progress["seconds"] += now - self.began
        self.began = now

    def _resume(self) -> None:
        """Take up the folder's checkpoint, if it is of this fit."""
        found = checkpoint.progress(self.ctx.folder)
        if found.get("key") == self.progress["key"]:
            held = checkpoint.load(self.ctx.folder, self.optimizer)
            checkpoint.put(self.weights, held.trained)
            self.kept, self.progress = dict(held.kept), found
            if self.average is not None:
                checkpoint.put(self._current(), held.average)
                self.average.n_averaged.fill_(found["step"] + 1)
        self.accelerator.wait_for_everyone()  # nobody writes a checkpoint that another has not read yet
        self.began = time.monotonic()

    def _save(self) -> None:
        self._count_seconds()
        self.saved = self.began
        if self.accelerator.is_main_process:
            average = self._current() if self.average is not None else {}
            held = checkpoint.Weights(self.weights, self.kept, average)
            checkpoint.save(self.ctx.folder, held, self.optimizer, self.progress)

    def _report(self) -> FitReport:
        done, learned = self.progress, sum(weight.numel() for weight in self.weights.values())
        kept = done["step"] if done["kept_step"] is None else done["kept_step"]
        scores = tuple((int(step), float(score)) for step, score in done["scores"] if score is not None)
        return FitReport(
            epoch_steps=self.task.epoch_steps,
            steps=done["step"],
            kept_step=kept,
            losses=tuple(done["losses"]),
            scores=scores,
            counts=dict(done["counts"]),
            learned=learned,
            seconds=done["seconds"],
        )


def optimizer_of(weights: Mapping[str, Tensor], recipe: Recipe) -> Optimizer:
    """Return AdamW, or bitsandbytes' with its moments in 8 bits. Raises UserError where bitsandbytes is missing."""
    given: dict[str, Any] = {"lr": recipe.learning_rate, "betas": recipe.betas, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(_groups(weights, recipe), fused=True, **given)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise UserError("optimizer adamw_8bit: needs bitsandbytes; pip install 'mobility-bench[quantize]'") from None
    optimizer: Optimizer = AdamW8bit(_groups(weights, recipe), **given)
    return optimizer


def _groups(weights: Mapping[str, Tensor], recipe: Recipe) -> list[dict[str, Any]]:
    """Return the weights by learning rate, those of the recipe's common one first."""
    groups: dict[float, list[Tensor]] = {recipe.learning_rate: []}
    for name, weight in weights.items():
        rate = recipe.own_rates.get(name.rpartition(".")[2], recipe.learning_rate)
        groups.setdefault(rate, []).append(weight)
    return [{"params": some, "lr": rate, "initial_lr": rate} for rate, some in groups.items() if some]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return a running average of the weights: the plain mean at first, then exponential with the given decay."""

    @torch.no_grad()
    def mix(average: Any, current: Any, count: Any) -> None:
        torch._foreach_lerp_(list(average), list(current), 1 - min(decay, 1 - 1 / (int(count) + 1)))

    average = AveragedModel(network, multi_avg_fn=mix)
    average.n_averaged.fill_(1)  # the start counts as the first
    return average


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU."""
    return {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}


def _diverged(what: str) -> FloatingPointError:
    return FloatingPointError(f"training diverged: {what}; lower learning_rate")
