"""What tuning learns from: steps of batches of similar length, and the loss on the validation users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.adapters.adapter import Context
from bench.training.batching import batches, cut
from bench.training.distributed import world_size
from bench.training.loop import Step, Task, Team
from bench.training.precision import autocast
from bench.training.recipe import Recipe
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tuning import number_rows
from models.llama_mob.tuning.examples import Batch, Example, pack

AT_ONCE = 1024  # tokens of a pass on the CPU, where a batch is split


@dataclass(frozen=True)
class Data:
    """What to learn from, and whom to validate on (nobody, perhaps)."""

    train: Sequence[Example]
    validate: Sequence[Example]


@dataclass(frozen=True)
class Part:
    """Examples of one pass, and the factor on the sum of their losses."""

    examples: Sequence[Example]
    factor: float


class Tuning(Task[Part]):
    """The task of one fit; its network is a TokenLoss."""

    counted = ("training_tokens",)

    def __init__(self, data: Data, settings: LlamaMobSettings, ctx: Context, precision: str) -> None:
        self.data, self.settings, self.ctx, self.precision = data, settings, ctx, precision
        self.step_batches = settings.accumulate * world_size()
        self.epoch_steps = -(-len(data.train) // (settings.batch * self.step_batches))

    def steps(self, epoch: int, first: int) -> Iterator[Step[Part]]:
        """Yield the steps of an epoch, in an order of its own."""
        lengths = [len(example.ids) for example in self.data.train]
        order = batches(lengths, self.settings.batch, self.ctx.rng("llama_mob", "epoch", epoch))
        for begin in range(first * self.step_batches, len(order), self.step_batches):
            chosen = [[self.data.train[i] for i in batch] for batch in order[begin : begin + self.step_batches]]
            tokens = sum(len(example.ids) for batch in chosen for example in batch)
            yield Step(list(self._parts(chosen)), {"training_tokens": tokens})

    def _parts(self, chosen: Sequence[Sequence[Example]]) -> Iterator[Part]:
        """Yield the passes of a step, with the factors that make their sums the step's loss."""
        weights = [sum(float(example.weights.sum()) for example in batch) for batch in chosen]
        for batch, weight in zip(chosen, weights, strict=True):
            factor = 1 / sum(weights) if self.settings.mean_over == "step" else 1 / (len(chosen) * weight)
            for some in self._split(batch):
                yield Part(some, factor)

    def _split(self, batch: Sequence[Example]) -> list[Sequence[Example]]:
        """Split a batch on the CPU: one after the other, long examples stay in its cache, and padding is spared."""
        if self.ctx.device != "cpu":
            return [batch]
        size = max(1, AT_ONCE // max(len(example.ids) for example in batch))
        return [batch[first : first + size] for first in range(0, len(batch), size)]

    def loss(self, network: nn.Module, part: Part) -> Tensor:
        """Return the weighted sum of a pass's losses, times its factor."""
        batch = self._packed(part.examples)
        return (network(batch.ids, batch.places, batch.targets) * batch.weights).sum() * part.factor

    def score(self, network: nn.Module, team: Team) -> float | None:
        """Return the mean log-probability of the validation users' cells, or minus the users' mean loss (by pass)."""
        if not self.data.validate:
            return None
        by_pass = self.settings.mean_over == "pass"
        order = np.argsort([len(example.ids) for example in self.data.validate], kind="stable").tolist()
        total = torch.zeros(2, device=self._device(), dtype=torch.float64)
        for batch in cut(order, 1 if by_pass else self.settings.batch)[team.rank :: team.size]:
            self.ctx.check_time()
            for some in self._split([self.data.validate[i] for i in batch]):
                packed = self._packed(some)
                with autocast(self._device(), self.precision):
                    losses = network(packed.ids, packed.places, packed.targets).double()
                weights = (packed.weights if by_pass else packed.numbers).double()
                summed, count = (losses * weights).sum(), (weights if by_pass else packed.begins).sum().double()
                total += torch.stack([summed / count, count / count] if by_pass else [summed, count])
        loss, count = team.sum(total).tolist()
        return float(-loss / count)

    def _packed(self, examples: Sequence[Example]) -> Batch:
        return pack(examples).to(self._device())

    def _device(self) -> str:
        return self.ctx.device


def recipe_of(settings: LlamaMobSettings, precision: str) -> Recipe:
    """Return the recipe that the settings ask for."""
    return Recipe(
        epochs=settings.epochs,
        learning_rate=settings.rate(),
        own_rates={number_rows.NAME: settings.numbers_learning_rate},
        schedule=settings.schedule,
        warm_up_steps=settings.warm_up_steps,
        weight_decay=settings.weight_decay,
        optimizer=settings.optimizer,
        precision=precision,
        validate_every=settings.validate_every,
        keep=settings.keep,
    )
