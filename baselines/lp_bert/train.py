"""One training step, and the average of the weights over steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.lp_bert.model import CELLS, Batch, LPBert

Aim = Literal["cross_entropy", "proximity"]


def autocast(device: str, precision: str) -> AbstractContextManager[None]:
    """Return the context in which the network computes: bfloat16 for matrix products if so asked."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def flushed() -> Iterator[None]:
    """Flush denormal numbers to zero meanwhile: they are slow and mean nothing here, but others may need them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def cosine(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the learning rate at a step: a linear warm-up, then half a cosine down to zero."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


def loss_of(model: LPBert, batch: Batch, aim: Aim) -> Tensor:
    """Return the mean loss over the asked rows.

    cross_entropy: the mean over x and y, as in the public code. proximity: one minus the expected product of
    exp(-0.5 * distance) on the two axes, which is nearly what GEO-BLEU counts, plus a fifth of the cross-entropy. Since
    x and y are drawn apart, the product is largest where both settle on the same one of several places.
    """
    assert batch.labels is not None
    logits = model(batch)
    pairs = list(zip(logits, batch.labels.T, strict=True))
    entropy = torch.stack([F.cross_entropy(axis, label) for axis, label in pairs]).mean()
    if aim == "cross_entropy":
        return entropy
    cells = torch.arange(CELLS, device=batch.labels.device)
    near = ((axis.softmax(dim=1), torch.exp(-0.5 * (cells - label[:, None]).abs())) for axis, label in pairs)
    x, y = ((chance * close).sum(dim=1) for chance, close in near)
    return 1.0 - (x * y).mean() + 0.2 * entropy


class Trainer:
    """A model with its optimiser; the state can be saved and taken up again."""

    def __init__(
        self,
        model: LPBert,
        rate: float,
        aim: Aim,
        precision: str,
        device: str = "cpu",
        decay: float = 0.0,
        clip_norm: float | None = 1.0,
    ) -> None:
        self.model, self.rate, self.aim, self.precision, self.device = model, rate, aim, precision, device
        self.clip_norm = clip_norm
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay, fused=True)

    def step(self, batch: Batch, share: float) -> float:
        """Learn from one batch at ``share`` of the learning rate; return the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * share
        self.model.train()
        with autocast(self.device, self.precision):
            loss = loss_of(self.model, batch.to(self.device), self.aim)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimiser.step()
        return float(loss.detach())
