"""What a fit came to, for the record. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CURVE = 20  # points of the loss curve in the record


@dataclass(frozen=True)
class FitReport:
    """What a trainer did.

    epoch_steps: steps of one epoch; steps: done in all; kept_step: after which the kept weights were taken, 0 for the
    start; losses: of each step; scores: (step, score) of each validation, higher is better; counts: what the steps
    counted (tokens, users), summed; learned: how many weights were trained; seconds: the fit took.
    """

    epoch_steps: int
    steps: int
    kept_step: int
    losses: tuple[float, ...]
    scores: tuple[tuple[int, float], ...]
    counts: Mapping[str, int]
    learned: int
    seconds: float

    @property
    def epochs(self) -> int:
        """Epochs that were begun."""
        return self.epoch(self.steps)

    @property
    def kept_epoch(self) -> int:
        """The epoch in which the kept weights were taken; 0 for the start."""
        return self.epoch(self.kept_step)

    @property
    def rejected(self) -> bool:
        """Whether there was training and validation kept the start all the same."""
        return self.steps > 0 and self.kept_step == 0

    def epoch(self, step: int) -> int:
        """Return the epoch that a step belongs to; 0 for the start."""
        return -(-step // max(1, self.epoch_steps))

    def score(self, step: int) -> float:
        """Return the score of the weights after a step that was validated."""
        return dict(self.scores)[step]

    def facts(self) -> dict[str, int | float | str]:
        """Return counts and the loss curve."""
        facts: dict[str, int | float | str] = {"trained_parameters": self.learned}
        facts |= {"epochs": self.epochs, "steps": self.steps, **self.counts}
        if self.losses:
            size = -(-len(self.losses) // CURVE)
            parts = [self.losses[first : first + size] for first in range(0, len(self.losses), size)]
            means = [sum(part) / len(part) for part in parts]
            facts |= {"loss_first": round(means[0], 4), "loss_last": round(means[-1], 4)}
            facts["loss_curve"] = " ".join(f"{mean:.4f}" for mean in means)
        return facts
