"""Pretrain LP-BERT on synthetic cities; run again with the same folder it goes on where it stopped.

    python -m baselines.lp_bert.pretrain --minutes 60 --device cpu --out pretraining

Every step takes windows of one length of users whose places are mirrored, turned and moved at random, so that the
network learns to copy from the history that it sees and not where a city lies. Cities have seeds from 1000 on; no
protocol uses those. What is kept and shipped is a running average of the weights. ``export.py`` writes it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from baselines.lp_bert.data import Person, hide_days, pack, people
from baselines.lp_bert.heldout import SEED as HELD_OUT
from baselines.lp_bert.heldout import WINDOWS, held_out
from baselines.lp_bert.model import Batch, LPBert, Shape
from baselines.lp_bert.start import vote
from baselines.lp_bert.store import load_state, peek, save_state
from baselines.lp_bert.train import Trainer
from bench.data.sources.synthetic import Synthetic

FIRST_SEED = 1000
POOL, CITY_USERS = 4000, 100  # users held at a time, and drawn from one city
WARM_UP = 60  # steps
SMOOTH = 0.998  # of the averaged weights, per step
HEADER = (
    "seconds",
    "step",
    "users",
    "tokens",
    "loss",
    *(f"{name}_{of}" for name in WINDOWS for of in ("geobleu", "accuracy")),
)


def moved(person: Person, rng: np.random.Generator) -> Person:
    """Return the person with the grid mirrored or turned, then moved to a random place that still holds all cells."""
    x, y = person.x, person.y
    x = 201 - x if rng.random() < 0.5 else x
    y = 201 - y if rng.random() < 0.5 else y
    if rng.random() < 0.5:
        x, y = y, x
    x = x + rng.integers(1 - x.min(), 201 - x.max())
    y = y + rng.integers(1 - y.min(), 201 - y.max())
    return replace(person, x=x, y=y)


def window(rng: np.random.Generator, longest: float) -> tuple[int, int]:
    """Draw how many days are seen and hidden: ``longest`` is the share of full windows, the others see 7 to 59 days."""
    if rng.random() < longest:
        return 60, 15
    seen = int(np.exp(rng.uniform(np.log(7), np.log(60))))
    return seen, int(rng.integers(2, min(15, seen // 3 + 1) + 1))


def draws(rng: np.random.Generator, tokens: int, longest: float) -> Iterator[Batch]:
    """Yield batches of about ``tokens`` rows from an endless row of new cities."""
    pool: list[Person] = []
    seed = FIRST_SEED + int(rng.integers(HELD_OUT - FIRST_SEED))
    while True:
        for city in "ABCD":
            pool = people(Synthetic(seed=seed, users=CITY_USERS).load(city)) + pool[: POOL - CITY_USERS]
            for _ in range(25):
                days, rows, examples = window(rng, longest), 0, []
                while rows < tokens:
                    person = pool[int(rng.integers(len(pool)))]
                    examples.append(hide_days(moved(person, rng), rng, *days, at_end=0.5))
                    rows += len(examples[-1].hidden)
                yield pack(examples)
        seed = FIRST_SEED + int(rng.integers(HELD_OUT - FIRST_SEED))


def beginning(device: str = "cpu") -> tuple[LPBert, LPBert]:
    """Return the network as it is before training, twice: one to train, one to hold the average of its weights."""
    torch.manual_seed(0)
    model, average = (LPBert(Shape(dropout=0.0)).to(device) for _ in range(2))
    vote(model)
    average.load_state_dict(model.state_dict())
    return model, average


def run(
    out: Path,
    minutes: float,
    device: str,
    rate: float,
    tokens: int,
    longest: float,
    every: float,
    threads: int,
    stage: str,
) -> None:
    """Train until the minutes (of this call) are over; the last fifth lowers the learning rate to zero."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    precision = "bfloat16"
    model, average = beginning(device)
    trainer = Trainer(model, rate, "proximity", precision, device, decay=0.01)
    for layer in (*model.encoder(), *average.encoder()):
        layer.fed = stage == "all"
    done: dict[str, float] = {"step": 0, "users": 0, "tokens": 0, "seconds": 0.0, "rate": rate}
    if peek(out):
        done = load_state(out, trainer, average)
    rng = np.random.default_rng(int(done["step"]))
    sets, began, before, shown = held_out(), time.monotonic(), done["seconds"], 0.0
    losses: list[float] = []
    for n, batch in enumerate(draws(rng, tokens, longest)):
        spent = time.monotonic() - began
        if spent >= shown or spent >= minutes * 60:
            shown = spent + every * 60
            figures = [figure for people in sets.values() for figure in people.of_model(average, precision)]
            _log(out / "log.csv", done, float(np.mean(losses or [np.nan])), figures)
            save_state(out, trainer, average, done)
            losses = []
        if spent >= minutes * 60:
            return
        share = min(1.0, (n + 1) / WARM_UP, max(0.02, 5 * (1 - spent / (minutes * 60))))
        losses.append(trainer.step(batch, share))
        keep = min(SMOOTH, 1 - 1 / (done["step"] + 2))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - keep)
        done["step"] += 1
        done["users"] += len(batch.lengths)
        done["tokens"] += sum(batch.lengths)
        done["seconds"] = before + time.monotonic() - began


def _log(path: Path, done: dict[str, float], loss: float, figures: list[float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(HEADER)
        row = [round(done["seconds"]), done["step"], done["users"], done["tokens"], round(loss, 4)]
        writer.writerow([*row, *(round(figure, 4) for figure in figures)])
    print(path.read_text().splitlines()[-1], flush=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for state, log and export")
    parser.add_argument("--minutes", type=float, default=26.0, help="how long to train now")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--stage",
        choices=("attention", "all"),
        default="all",
        help="attention leaves the feed-forward layers at zero, which is four times as fast: run it first",
    )
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate")
    parser.add_argument("--tokens", type=int, default=3500, help="rows a step; more is steadier and slower")
    parser.add_argument("--longest", type=float, default=0.3, help="share of steps with full windows of 60 and 15 days")
    parser.add_argument(
        "--every", type=float, default=4.0, help="minutes between validations, log lines and checkpoints"
    )
    parser.add_argument("--threads", type=int, default=2)
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
