"""The training loop: epochs over batches of similar length, a checkpoint now and then, the best epoch kept."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from bench.adapters.adapter import Context
from models.llama_mob.engine.passes import causal_of
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tuning import checkpoint
from models.llama_mob.tuning.examples import Batch, Example, groups, pack

SAVE_EVERY = 60.0  # seconds
AT_ONCE = 1024  # tokens of a pass on the CPU, where a batch is split
CURVE = 20  # points of the loss curve in the record


class AnswerLoss(nn.Module):
    """A causal language model that says how improbable the learned tokens are; nothing is computed for the others."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, places: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each target, float32 (n,); ``places``: flat indices of the tokens before them."""
        causal = causal_of(self.model)
        hidden = causal.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        logits = causal.get_output_embeddings()(hidden.flatten(0, 1)[places])
        return F.cross_entropy(logits.float(), targets, reduction="none")


@dataclass(frozen=True)
class Data:
    """What to learn from, and whom to check the epochs on (nobody, perhaps)."""

    train: Sequence[Example]
    validate: Sequence[Example]


class Fit:
    """One fit; all but the data survive a kill. With several processes each holds one, and they keep in step."""

    def __init__(
        self, model: PreTrainedModel, data: Data, settings: LlamaMobSettings, ctx: Context, precision: str, key: str
    ) -> None:
        """``key``: names all that the result depends on; a checkpoint of another key is not taken up."""
        self.data, self.settings, self.ctx, self.precision = data, settings, ctx, precision
        if settings.checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.accelerator = Accelerator(cpu=ctx.device == "cpu")
        decay = settings.weight_decay
        optimiser = torch.optim.AdamW(list(self.weights.values()), lr=settings.rate(), weight_decay=decay, fused=True)
        self.loss, self.optimiser = self.accelerator.prepare(AnswerLoss(model), optimiser)
        self.best: dict[str, Tensor] = {}
        micro = -(-len(data.train) // settings.batch)
        self.epoch_steps = -(-micro // (settings.accumulate * self.accelerator.num_processes))
        self.steps = settings.epochs * self.epoch_steps
        self.done: dict[str, Any] = {"key": key, "step": 0, "losses": [], "scores": [], "tokens": 0}
        self.saved = time.monotonic()

    def run(self) -> dict[str, int | float | str]:
        """Run all epochs, from the checkpoint where there is one; leave the best weights in the model; return facts.

        The best are those of the epoch, the start among them, with the smallest loss on the validation users; the last
        where there are none.
        """
        self._take_up()
        for epoch in range(len(self.done["scores"]), self.settings.epochs + 1):
            if epoch:  # the start is epoch 0
                self._epoch(epoch)
            self._check(epoch)
            self._save()
        self._put(self.best)
        return self._facts()

    def _epoch(self, epoch: int) -> None:
        """Go through all examples once, in an order of the epoch's own; steps that the checkpoint holds are passed."""
        lengths = [len(example.ids) for example in self.data.train]
        batches = groups(lengths, self.settings.batch, self.ctx.rng("llama_mob", "epoch", epoch))
        size = self.settings.accumulate * self.accelerator.num_processes
        for step in range(self.done["step"], epoch * self.epoch_steps):
            self.ctx.check_time()
            begin = (step - (epoch - 1) * self.epoch_steps) * size
            self._step(step, batches[begin : begin + size])
            self.ctx.progress(f"tuning: epoch {epoch} of {self.settings.epochs}", step + 1, self.steps)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self._save()

    def _step(self, step: int, batches: Sequence[np.ndarray]) -> None:
        """Learn from some batches at once: the mean loss over their numbers and, with its weight, over the filler."""
        torch.manual_seed(self.ctx.seed_for("llama_mob", "step", step))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate() * share(self.settings, step, self.steps)
        chosen = [[self.data.train[i] for i in batch] for batch in batches]
        numbers = sum(int(example.numbers.sum()) for batch in chosen for example in batch)
        tokens = sum(len(example.numbers) for batch in chosen for example in batch)
        learned = numbers + self.settings.filler * (tokens - numbers)
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        own = [(part, processes / learned) for batch in chosen[rank::processes] for part in self._parts(batch)]
        own = own or [(chosen[0][:1], 0.0)]  # the others wait for its gradient
        self.loss.train()
        total = torch.zeros((), device=self.accelerator.device)
        for i, (part, weight) in enumerate(own):
            last = i == len(own) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.loss):
                losses, is_number = self._losses(pack(part))
                loss = losses.where(is_number, losses * self.settings.filler).sum() * weight
                self.accelerator.backward(loss)
            total += loss.detach() / processes
        mean, norm = float(self._sum(total)), self.accelerator.clip_grad_norm_(list(self.weights.values()), 1.0)
        if not math.isfinite(mean) or not math.isfinite(float(norm)):
            raise _diverged(f"the loss is {mean} at step {step + 1} of {self.steps}")
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.done["losses"].append(round(mean, 5))
        self.done["step"] = step + 1
        self.done["tokens"] += sum(len(example.ids) for batch in chosen for example in batch)

    def _parts(self, batch: Sequence[Example]) -> list[Sequence[Example]]:
        """Split a batch on the CPU: one after the other, long examples stay in its cache, and padding is spared."""
        if self.ctx.device != "cpu":
            return [batch]
        size = max(1, AT_ONCE // max(len(example.ids) for example in batch))
        return [batch[first : first + size] for first in range(0, len(batch), size)]

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the cross-entropies of a batch's learned tokens, and which of them are numbers."""
        device = self.accelerator.device
        ids, places, targets = (part.to(device) for part in (batch.ids, batch.places, batch.targets))
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"):
            return self.loss(ids, places, targets), batch.numbers.to(device)

    @torch.no_grad()
    def _check(self, epoch: int) -> None:
        """Note the mean log-probability of the validation users' numbers, and keep the weights if it is the best."""
        score = self._validate() if self.data.validate else 0.0
        if not math.isfinite(score) or not all(weight.isfinite().all() for weight in self.weights.values()):
            raise _diverged(f"after epoch {epoch} the weights are of no use")
        if not self.data.validate or score > max(self.done["scores"], default=-math.inf):
            self.best = self._copy()
        self.done["scores"].append(score)
        if self.data.validate:
            self.ctx.intermediate(epoch, score)

    def _validate(self) -> float:
        self.loss.eval()
        total = torch.zeros(2, device=self.accelerator.device, dtype=torch.float64)
        batches = groups([len(example.ids) for example in self.data.validate], self.settings.batch)
        for batch in batches[self.accelerator.process_index :: self.accelerator.num_processes]:
            self.ctx.check_time()
            for part in self._parts([self.data.validate[i] for i in batch]):
                losses, numbers = self._losses(pack(part))
                total += torch.stack([losses[numbers].double().sum(), numbers.sum().double()])
        summed, count = self._sum(total).tolist()
        return -summed / count

    def _sum(self, tensor: Tensor) -> Tensor:
        """Add over the processes."""
        summed: Tensor = self.accelerator.reduce(tensor, "sum") if self.accelerator.num_processes > 1 else tensor
        return summed

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().to("cpu", copy=True) for name, weight in self.weights.items()}

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(weights[name])

    def _take_up(self) -> None:
        done = checkpoint.counts(self.ctx.folder)
        if done.get("key") == self.done["key"]:
            weights, self.best = checkpoint.load(self.ctx.folder, self.optimiser)
            self._put(weights)
            self.done = done
        self.accelerator.wait_for_everyone()  # nobody writes a checkpoint that another has not read yet

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            checkpoint.save(self.ctx.folder, self.weights, self.best, self.optimiser, self.done)
        self.saved = time.monotonic()

    def _facts(self) -> dict[str, int | float | str]:
        """Return counts, the loss curve as text, and the scores of the epochs."""
        done, learned = self.done, sum(weight.numel() for weight in self.weights.values())
        facts: dict[str, int | float | str] = {"trained_parameters": learned, "epochs": self.settings.epochs}
        facts |= {"steps": done["step"], "examples": len(self.data.train), "training_tokens": done["tokens"]}
        if done["losses"]:
            means = [float(np.mean(part)) for part in np.array_split(done["losses"], min(CURVE, len(done["losses"])))]
            facts |= {"loss_first": round(means[0], 4), "loss_last": round(means[-1], 4)}
            facts["loss_curve"] = " ".join(f"{mean:.4f}" for mean in means)
        if self.data.validate:
            losses = [-score for score in done["scores"]]
            facts |= {"validation_loss": round(min(losses), 4), "best_epoch": int(np.argmin(losses))}
            facts |= {"start_loss": round(losses[0], 4), "validation_curve": " ".join(f"{loss:.4f}" for loss in losses)}
        return facts


def _diverged(what: str) -> FloatingPointError:
    return FloatingPointError(f"tuning diverged: {what}; lower learning_rate")


def share(settings: LlamaMobSettings, step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: a linear rise, then the schedule; restarts come each epoch."""
    rise = min(settings.warm_up_steps, steps - 1)
    if step < rise:
        return (step + 1) / (rise + 1)
    progress = (step - rise) / max(1, steps - rise)
    match settings.schedule:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - progress
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "cosine_with_restarts":
            return 0.5 * (1 + math.cos(math.pi * (progress * settings.epochs % 1.0)))
