"""A training recipe: what, beside the data, decides which weights come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Schedule = Literal["constant", "linear", "cosine", "cosine_with_restarts", "cosine_by_epoch", "warmup_stable_decay"]
Keep = Literal["best", "best_trained", "last"]
DECAY = 0.2  # share of the steps over which warmup_stable_decay falls


@dataclass(frozen=True)
class Recipe:
    """How to train.

    schedule: transformers' schedules, cosine_with_restarts with one cycle; cosine_by_epoch: a cosine that moves after
    each epoch, as torch's CosineAnnealingLR stepped once an epoch. own_rates: the last part of a weight's name -> the
    learning rate of such weights, on the same schedule. clip_norm: largest norm of the gradient. validate_every: steps
    between validations; none: after each epoch. keep: the weights of the best validation, the start among them (best)
    or not (best_trained); those of the last step where nothing was validated. average: decay of a running average of
    the weights, which is then what is validated and kept. max_seconds: training stops after this long.
    """

    epochs: int
    learning_rate: float
    schedule: Schedule = "cosine"
    own_rates: Mapping[str, float] = field(default_factory=dict)
    warm_up_steps: int = 0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    clip_norm: float | None = 1.0
    precision: str = "float32"
    validate_every: int | None = None
    keep: Keep = "best"
    average: float | None = None
    max_seconds: float | None = None

    def rates(self, epoch_steps: int) -> Callable[[int], float]:
        """Return the learning rate's share at each step, counted from 0."""
        import torch
        from transformers import get_scheduler

        steps = self.epochs * epoch_steps
        if self.schedule == "cosine_by_epoch":
            name, warm_up, total, unit = "cosine", 0, self.epochs, epoch_steps
        else:
            name, warm_up, total, unit = self.schedule, min(self.warm_up_steps, max(0, steps - 1)), steps, 1
        if name == "constant":
            name = "constant_with_warmup"
        more = {"num_decay_steps": round(DECAY * total), "decay_type": "linear"} if "stable" in name else {}
        nobody = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        share = get_scheduler(name, nobody, warm_up, total, scheduler_specific_kwargs=more).lr_lambdas[0]
        return lambda step: float(share(step // unit))
