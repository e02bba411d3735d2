"""Pretrain the tiny base on synthetic cities; run again with the same folder and options it resumes.

    python -m models.llama_mob.pretraining.pretrain --out pretraining --steps 2200
    python -m models.llama_mob.tools.export --run pretraining --hardware '1 CPU core'

On a GPU: ``--device cuda --workers 12 --size 131072``; there it computes in bfloat16 and keeps weights in float32. The
network begins as ``init`` sets it. All weights are trained by AdamW with a learning rate that falls to zero; what is
shipped is a running average of the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import LlamaForCausalLM

from bench.adapters.adapter import Context
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from bench.training import checkpoint, curves, heldout
from bench.training.fit_report import FitReport
from bench.training.loop import Step, Task, Team, Trainer
from bench.training.precision import autocast, flushed
from bench.training.recipe import Recipe
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.pretraining import init
from models.llama_mob.pretraining.corpus import batches, example
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning.examples import Batch, Example, noisy, pack
from models.llama_mob.tuning.loss import TokenLoss

RATE, WARM_UP, BETAS = 1e-3, 30, (0.9, 0.98)
SMOOTH = 0.99  # of the averaged weights, per step
HELD_OUT_USERS = 40
LONG = 12  # of them in full windows, which are slow


class Drawn(IterableDataset[Batch]):
    """Batches without end, other ones in each process that draws them."""

    def __init__(self, tokens: Tokens, seed: int, size: int) -> None:
        self.tokens, self.seed, self.size = tokens, seed, size

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        return batches(self.tokens, np.random.default_rng([self.seed, worker.id if worker else 0]), self.size)


class Pretraining(Task[Batch]):
    """One epoch of freshly drawn batches of ``size`` tokens; after a kill other ones are drawn."""

    counted = ("tokens",)

    def __init__(self, tokens: Tokens, steps: int, size: int, device: str, workers: int, log: Path) -> None:
        self.tokens, self.size, self.device, self.workers, self.log = tokens, size, device, workers, log
        self.epoch_steps = steps
        self.sets = held_out(tokens)
        self.figures: dict[str, float] = {}

    def steps(self, epoch: int, first: int) -> Iterator[Step[Batch]]:
        """Yield batches drawn by other processes, or here where there are none."""
        ahead = 8 if self.workers else None
        drawn = Drawn(self.tokens, first, self.size)
        loader = DataLoader(drawn, batch_size=None, num_workers=self.workers, prefetch_factor=ahead)
        for batch in islice(loader, self.epoch_steps - first):
            yield Step([batch], {"tokens": batch.ids.numel()})

    def loss(self, network: nn.Module, part: Batch) -> Tensor:
        """Return the weighted mean over the learned tokens."""
        batch = part.to(self.device)
        losses: Tensor = network(batch.ids, batch.places, batch.targets)
        return (losses * batch.weights).sum() / batch.weights.sum()

    def score(self, network: nn.Module, team: Team) -> None:
        """Note loss and share of right numbers on held-out people; nothing is chosen by them."""
        assert isinstance(network, TokenLoss)
        for name, examples in self.sets.items():
            with autocast(self.device, precision(self.device)):
                self.figures[f"{name}_loss"], self.figures[f"{name}_accuracy"] = watch(network, examples)

    def validated(self, progress: Mapping[str, Any]) -> None:
        """Write a line of the log."""
        curves.append(self.log, curves.row(progress) | self.figures)


def precision(device: str) -> str:
    """Return the number format of matrix products."""
    return "bfloat16" if device == "cuda" else "float32"


def judged(network: TokenLoss, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of each learned token and whether it is the most probable one."""
    scores = network.scores(network.hidden(batch.ids, batch.places))
    return F.cross_entropy(scores, batch.targets, reduction="none"), scores.argmax(dim=1) == batch.targets


def watch(network: TokenLoss, examples: list[Example]) -> tuple[float, float]:
    """Return mean loss and share of right numbers over the answers' cells."""
    losses, right = [], []
    with torch.inference_mode():
        for one in examples:
            batch = pack([one]).to(network.model.device)
            loss, hit = judged(network, batch)
            cells = batch.weights == 1.0
            losses.append(loss[cells].mean())
            right.append(hit[cells].float().mean())
    return float(torch.stack(losses).mean()), float(torch.stack(right).mean())


def begin(tokens: Tokens) -> LlamaForCausalLM:
    """Return the network before training."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(init.shape(tokens))
    init.vote(model, tokens)
    return model


def average(run: Path, tokens: Tokens) -> tuple[LlamaForCausalLM, dict[str, Any]]:
    """Return the averaged weights of a run in its network, and how far it is. Raises UserError without a run."""
    progress, model = checkpoint.progress(run), begin(tokens)
    if not progress:
        raise UserError(f"{run}: holds no training; name the folder that models.llama_mob.pretraining.pretrain wrote")
    held = {name.removeprefix("model."): weight for name, weight in checkpoint.load(run).average.items()}
    checkpoint.put(dict(model.named_parameters()), held)
    return model, progress


def held_out(tokens: Tokens) -> dict[str, list[Example]]:
    """Return prompts of people whom training never sees, with the default instruction, for each window."""
    template, rng = Template.build(Instruction(), Grid(), Calendar()), np.random.default_rng(0)
    sets: dict[str, list[Example]] = {}
    for name, people in heldout.held_out(HELD_OUT_USERS).items():
        users = people.truth.users[: LONG if name == "full" else None]
        halves = [(people.history.of(user), people.truth.of(user)) for user in users]
        sets[name] = [example(template, tokens, h, t, noisy(h, t, 1.0, rng)) for h, t in halves]
    return sets


@flushed()
def train(
    out: Path, steps: int, size: int, every: int, threads: int, device: str = "cpu", workers: int = 0
) -> FitReport:
    """Train for ``steps`` steps, earlier calls counted in. Raises UserError."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU")
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    key = f"tiny base, {steps} steps of {size} tokens"
    checkpoint.refuse_another(out, key)
    tokens = Tokens.load(TINY)
    recipe = Recipe(
        epochs=1,
        learning_rate=RATE,
        schedule="linear",
        warm_up_steps=WARM_UP,
        betas=BETAS,
        precision=precision(device),
        validate_every=every,
        keep="last",
        average=SMOOTH,
    )
    task = Pretraining(tokens, steps, size, device, workers, out / "log.csv")
    ctx = Context(folder=out, device=device, threads=threads)
    return Trainer("pretrain", TokenLoss(begin(tokens)), task, recipe, ctx, key).run()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--steps", type=int, default=2200, help="how long to train in all")
    parser.add_argument("--size", type=int, default=8000, help="tokens a step; more is steadier and slower")
    parser.add_argument("--every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches; 0 draws between steps")
    given = parser.parse_args()
    try:
        train(**vars(given))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
