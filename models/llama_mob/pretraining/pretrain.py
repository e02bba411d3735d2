"""Pretrain the tiny base on synthetic cities; run again with the same folder it goes on where it stopped.

    python -m models.llama_mob.pretraining.pretrain --out pretraining --minutes 90
    python -m models.llama_mob.tools.export --run pretraining --hardware '1 CPU core'

On a GPU: ``--device cuda --workers 12 --size 131072``; there it computes in bfloat16 and keeps weights in float32. The
network begins as ``start`` sets it. All weights are trained by AdamW with a learning rate that falls to zero; what is
kept is a running average of the weights.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import LlamaForCausalLM

from bench.data.sources.synthetic import Synthetic
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.pretraining import init
from models.llama_mob.pretraining.corpus import HELD_OUT_SEED, Batch, Example, batches, example, pack
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning import checkpoint
from models.llama_mob.tuning.examples import misread

WARM_UP = 30  # steps
RATE = 1e-3
SMOOTH = 0.99  # of the averaged weights, per step
HELD_OUT_USERS = 40
WINDOWS = {"week": (7, 2), "weeks": (21, 3), "full": (60, 15)}  # days seen and predicted
HEADER = ("seconds", "step", "tokens", "loss", *(f"{name}_{of}" for name in WINDOWS for of in ("loss", "accuracy")))


@dataclass
class Run:
    """A network under training, its average and optimiser; saved and taken up again."""

    model: LlamaForCausalLM
    average: LlamaForCausalLM
    done: dict[str, float] = field(default_factory=lambda: {"seconds": 0.0, "step": 0, "tokens": 0})

    def __post_init__(self) -> None:
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True
        )

    def step(self, batch: Batch, share: float) -> Tensor:
        """Learn from one batch at ``share`` of the learning rate; return the loss, that nobody waits for."""
        self.optimiser.param_groups[0]["lr"] = RATE * share
        batch = batch.to(self.model.device)
        losses, _right = forward(self.model, batch)
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        keep = min(SMOOTH, 1 - 1 / (self.done["step"] + 2))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - keep)
        self.done["step"] += 1
        self.done["tokens"] += batch.ids.numel()
        return loss.detach()

    def save(self, folder: Path) -> None:
        """Write all that training needs to go on into one file."""
        weights, average = (dict(model.named_parameters()) for model in (self.model, self.average))
        checkpoint.save(folder, weights, {k: v.detach() for k, v in average.items()}, self.optimiser, self.done)

    def load(self, folder: Path) -> bool:
        """Read what save wrote; return whether it was there. Raises UserError where it is of another network."""
        done = checkpoint.counts(folder)
        if not done:
            return False
        held = checkpoint.load(folder, self.optimiser)
        try:
            for model, weights in zip((self.model, self.average), held, strict=True):
                model.load_state_dict(weights)
        except RuntimeError:
            raise UserError(f"{folder}: the state is of another network; give another folder") from None
        self.done = done
        return True


def forward(model: LlamaForCausalLM, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of each learned token and whether it is the most probable one."""
    with torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda"):
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[batch.rows, batch.columns]).float()
    return F.cross_entropy(logits, batch.targets, reduction="none"), logits.argmax(dim=1) == batch.targets


class Drawn(IterableDataset[Batch]):
    """Batches without end, other ones in each process that draws them."""

    def __init__(self, tokens: Tokens, seed: int, size: int) -> None:
        self.tokens, self.seed, self.size = tokens, seed, size

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        return batches(self.tokens, np.random.default_rng([self.seed, worker.id if worker else 0]), self.size)


def begin(tokens: Tokens, device: str = "cpu") -> Run:
    """Return the network before training."""
    torch.manual_seed(0)
    model, average = (LlamaForCausalLM(init.shape(tokens)) for _ in range(2))
    init.vote(model, tokens)
    average.load_state_dict(model.state_dict())
    return Run(nn.Module.to(model, device), nn.Module.to(average, device))  # transformers' own `to` has no types


def held_out(tokens: Tokens) -> dict[str, list[Example]]:
    """Return prompts of people whom training never sees, with the default instruction, for each window."""
    template, rng = Template.build(Instruction(), Grid(), Calendar()), np.random.default_rng(0)
    sets: dict[str, list[Example]] = {}
    for city, (name, (seen, predicted)) in zip("BCD", WINDOWS.items(), strict=True):
        table = Synthetic(seed=HELD_OUT_SEED, users=HELD_OUT_USERS).load(city)
        past, truth = table.days(75 - predicted - seen, 74 - predicted), table.days(75 - predicted, 74)
        users = [user for user in past.users if user in set(truth.users)][: 12 if name == "full" else None]
        halves = [(past.of(user), truth.of(user)) for user in users]
        sets[name] = [example(template, tokens, h, t, misread(h, t, 1.0, rng)) for h, t in halves]
    return sets


def watch(model: LlamaForCausalLM, examples: list[Example]) -> tuple[float, float]:
    """Return mean loss and share of right numbers over the answers' cells."""
    losses, right = [], []
    with torch.inference_mode():
        for one in examples:
            batch = pack([one]).to(model.device)
            loss, hit = forward(model, batch)
            cells = batch.weights == 1.0
            losses.append(loss[cells].mean())
            right.append(hit[cells].float().mean())
    return float(torch.stack(losses).mean()), float(torch.stack(right).mean())


def train(
    out: Path, minutes: float, size: int, every: float, threads: int, device: str = "cpu", workers: int = 0
) -> None:
    """Train until ``minutes`` of training (earlier calls counted in) are over. Raises UserError."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU")
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    tokens = Tokens.load(TINY)
    run, sets = begin(tokens, device), held_out(tokens)
    run.load(out)
    drawn = Drawn(tokens, int(run.done["step"]), size)
    loader = DataLoader(drawn, batch_size=None, num_workers=workers, prefetch_factor=8 if workers else None)
    total, before, began = minutes * 60, run.done["seconds"], time.monotonic()
    shown = before or -np.inf
    losses: list[Tensor] = []
    for batch in loader:
        run.done["seconds"] = before + time.monotonic() - began
        share = min(1.0, run.done["seconds"] / total)
        if run.done["seconds"] - shown >= every * 60 or share >= 1:
            shown = run.done["seconds"]
            _log(out / "log.csv", run, losses, sets)
            run.save(out)
            losses = []
        if share >= 1:
            return
        losses.append(run.step(batch, min(1.0, (run.done["step"] + 1) / WARM_UP, 1 - share)))


def _log(path: Path, run: Run, losses: list[Tensor], sets: dict[str, list[Example]]) -> None:
    new = not path.exists()
    figures = [figure for examples in sets.values() for figure in watch(run.average, examples)]
    row = [*run.done.values(), float(torch.stack(losses).mean()) if losses else np.nan, *figures]
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(HEADER)
        writer.writerow([round(figure, 4) for figure in row])
    print(path.read_text().splitlines()[-1], flush=True)


def _positive(text: str) -> float:
    if (number := float(text)) > 0:
        return number
    raise ValueError(text)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--minutes", type=_positive, default=90.0, help="how long to train in all")
    parser.add_argument("--size", type=int, default=8000, help="tokens a step; more is steadier and slower")
    parser.add_argument("--every", type=float, default=4.0, help="minutes between log lines and checkpoints")
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
