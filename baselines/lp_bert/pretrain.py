"""Pretrain LP-BERT on synthetic cities; run again with the same folder and options it resumes.

    python -m baselines.lp_bert.pretrain --steps 1500 --device cpu --out pretraining
    python -m baselines.lp_bert.pretrain --begin random --steps 6000 --tokens 1000 --out from_random

Every step takes windows of one length of users whose places are mirrored, turned and moved at random, so that the
network learns to copy from the history that it sees and not where a city lies. Cities have seeds from 1000 on; no
protocol uses those. What is kept, ``lp_bert.safetensors``, is a running average of the weights. ``export.py`` ships it.

``--begin random`` starts from random weights, as the published code does, with its loss (cross-entropy), and sees
short windows first: they reach the full length at half of the steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from baselines.lp_bert.data import Person, hide_days, pack, people, questions
from baselines.lp_bert.decode import logits, predict
from baselines.lp_bert.loss import loss_of
from baselines.lp_bert.model import Batch, LPBert, Shape
from baselines.lp_bert.start import vote
from baselines.lp_bert.store import save_weights
from bench.adapters.adapter import Context
from bench.data.sources.synthetic import Synthetic
from bench.data.world import Grid
from bench.errors import UserError
from bench.evaluation.probabilities import AxisProbabilities, check, losses
from bench.training import checkpoint, curves, heldout
from bench.training.fit_report import FitReport
from bench.training.heldout import HeldOut
from bench.training.loop import Step, Task, Team, Trainer
from bench.training.precision import flushed
from bench.training.recipe import Recipe

POOL, CITY_USERS = 4000, 100  # users held at a time, and drawn from one city
WARM_UP = 60  # steps
SMOOTH = 0.998  # of the averaged weights, per step
HELD_OUT_USERS = 60
PRECISION = "bfloat16"
Begin = Literal["votes", "random"]


def window(rng: np.random.Generator, longest: float, grown: float = 1.0) -> tuple[int, int]:
    """Draw how many days are seen and hidden: ``longest`` is the share of full windows, the others see 7 to 59 days.

    grown: from 0, windows of 7 days only, to 1, all of them.
    """
    if grown >= 1 and rng.random() < longest:
        return 60, 15
    seen = int(np.exp(rng.uniform(np.log(7), np.log(7) + min(1.0, grown) * np.log(60 / 7))))
    return seen, int(rng.integers(2, min(15, seen // 3 + 1) + 1))


def draws(rng: np.random.Generator, tokens: int, longest: float, growth: Iterator[float]) -> Iterator[Batch]:
    """Yield batches of about ``tokens`` rows from an endless row of new cities; growth: of the window, by batch."""
    pool: list[Person] = []
    seed = heldout.draw_seed(rng)
    while True:
        for city in "ABCD":
            pool = people(Synthetic(seed=seed, users=CITY_USERS).load(city)) + pool[: POOL - CITY_USERS]
            for _ in range(25):
                days, rows, examples = window(rng, longest, next(growth)), 0, []
                while rows < tokens:
                    person = pool[int(rng.integers(len(pool)))]
                    x, y = heldout.moved(person.x, person.y, rng)
                    examples.append(hide_days(replace(person, x=x, y=y), rng, *days, at_end=0.5))
                    rows += len(examples[-1].hidden)
                yield pack(examples)
        seed = heldout.draw_seed(rng)


class Pretraining(Task[Batch]):
    """One epoch of freshly drawn batches; after a kill other ones are drawn."""

    counted = ("users", "tokens")

    def __init__(self, steps: int, tokens: int, longest: float, begin: Begin, device: str, log: Path) -> None:
        self.epoch_steps, self.tokens, self.longest, self.device, self.log = steps, tokens, longest, device, log
        self.begin = begin
        self.sets = heldout.held_out(HELD_OUT_USERS)
        self.figures: dict[str, float] = {}

    def steps(self, epoch: int, first: int) -> Iterator[Step[Batch]]:
        """Yield the batches."""
        growth = (2 * step / self.epoch_steps if self.begin == "random" else 1.0 for step in count(first))
        drawn = draws(np.random.default_rng(first), self.tokens, self.longest, growth)
        for batch in islice(drawn, self.epoch_steps - first):
            yield Step([batch], {"users": len(batch.lengths), "tokens": sum(batch.lengths)})

    def loss(self, network: nn.Module, part: Batch) -> Tensor:
        """Return the proximity loss; from random weights the published one: the other tells them nothing at first."""
        return loss_of(network, part.to(self.device), "proximity" if self.begin == "votes" else "cross_entropy")

    def score(self, network: nn.Module, team: Team) -> None:
        """Note the scores of held-out people; nothing is chosen by them."""
        assert isinstance(network, LPBert)
        for name, some in self.sets.items():
            self.figures[f"{name}_geobleu"], self.figures[f"{name}_accuracy"] = score(network, some, PRECISION)
            self.figures[f"{name}_nats"] = nats(network, some, PRECISION)

    def validated(self, progress: Mapping[str, Any]) -> None:
        """Write a line of the log."""
        curves.append(self.log, curves.row(progress) | self.figures)


def score(model: LPBert, some: HeldOut, precision: str) -> tuple[float, float]:
    """Return a network's GEO-BLEU and share of exact cells on held-out people."""
    cells = np.concatenate(list(predict(model, questions(some.history, some.truth.queries()), 16, precision)))
    return some.score(cells[:, 0], cells[:, 1])


def nats(model: LPBert, some: HeldOut, precision: str) -> float:
    """Return a network's mean loss on held-out people, in nats a cell."""
    grid, found = Grid(), logits(model, questions(some.history, some.truth.queries()), 16, precision)
    x, y = (softmax(np.concatenate(axis), axis=1) for axis in zip(*found, strict=True))
    given = check(AxisProbabilities(x, y), some.truth.queries(), grid)
    return float(losses(given, some.truth, grid).mean())


def beginning(begin: Begin = "votes") -> LPBert:
    """Return the network as it is before training."""
    torch.manual_seed(0)
    model = LPBert(Shape(dropout=0.0))
    if begin == "random":
        return model.repeat_first_layer()
    vote(model)
    return model


def average(run: Path) -> tuple[LPBert, dict[str, Any]]:
    """Return the averaged weights of a run in its network, and how far it is. Raises UserError without a run."""
    progress, model = checkpoint.progress(run), beginning()
    if not progress:
        raise UserError(f"{run}: holds no training; name the folder that baselines.lp_bert.pretrain wrote")
    checkpoint.put(dict(model.named_parameters()), checkpoint.load(run).average)
    return model, progress


@flushed()
def train(
    out: Path,
    steps: int,
    device: str = "cpu",
    stage: str = "all",
    begin: Begin = "votes",
    rate: float = 3e-4,
    tokens: int = 3500,
    longest: float = 0.3,
    every: int = 100,
    threads: int = 2,
    minutes: float | None = None,
) -> FitReport:
    """Train for ``steps`` steps, earlier calls counted in; the last fifth lowers the learning rate to zero.

    minutes: after so many, all calls together, training stops where it is.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    key = f"LP-BERT, {steps} steps of {tokens} rows, rate {rate}, longest {longest}, stage {stage}, begin {begin}"
    checkpoint.refuse_another(out, key)
    model = beginning(begin).to(device)
    for layer in model.encoder():
        layer.fed = stage == "all"
    recipe = Recipe(
        epochs=1,
        learning_rate=rate,
        schedule="warmup_stable_decay",
        warm_up_steps=WARM_UP,
        weight_decay=0.01,
        precision=PRECISION,
        validate_every=every,
        keep="last",
        average=SMOOTH,
        max_seconds=minutes and 60 * minutes,
    )
    task = Pretraining(steps, tokens, longest, begin, device, out / "log.csv")
    ctx = Context(folder=out, device=device, threads=threads)
    report = Trainer("pretrain", model, task, recipe, ctx, key).run()
    save_weights(model, out / "lp_bert.safetensors")
    return report


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--steps", type=int, default=1500, help="how long to train in all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--stage",
        choices=("attention", "all"),
        default="all",
        help="attention leaves the feed-forward layers at zero, which is four times as fast",
    )
    parser.add_argument("--begin", choices=("votes", "random"), default="votes", help="hand-set, or random weights")
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
    parser.add_argument("--tokens", type=int, default=3500, help="rows a step; more is steadier and slower")
    parser.add_argument("--longest", type=float, default=0.3, help="share of steps with full windows of 60 and 15 days")
    parser.add_argument("--every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="stop then, wherever it is; else after all steps")
    try:
        train(**vars(parser.parse_args()))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
