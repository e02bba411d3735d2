"""Speed and memory of lp_bert on full 75-day users, on all cores: pytest -m bench tests/benchmarks.

Wanted on 2 cores: 2.5 users a second in training at batch 16 within 6 GB, 20 a second in prediction (float32).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.lp_bert.data import Person, hide_days, pack, people
from baselines.lp_bert.decode import predict
from baselines.lp_bert.loss import loss_of
from baselines.lp_bert.model import Batch, LPBert
from bench.adapters.adapter import Context
from bench.data.sources.synthetic import Synthetic
from bench.training.loop import Step, Task, Trainer
from bench.training.recipe import Recipe

USERS, BATCH = 64, 16
PRECISIONS = ("float32", "bfloat16")


class OnePass(Task[Batch]):
    """Each epoch goes through everybody once; the making of batches is included."""

    def __init__(self, everybody: list[Person]) -> None:
        self.everybody, self.epoch_steps = everybody, -(-len(everybody) // BATCH)

    def steps(self, epoch: int, first: int) -> Iterator[Step[Batch]]:
        rng = np.random.default_rng(epoch)
        for begin in range(first * BATCH, len(self.everybody), BATCH):
            yield Step([pack([hide_days(p, rng, 60, 15) for p in self.everybody[begin : begin + BATCH]])])

    def loss(self, network: nn.Module, part: Batch) -> Tensor:
        return loss_of(network, part, "cross_entropy")


def train(everybody: list[Person], precision: str, epochs: int, folder: Path) -> None:
    recipe = Recipe(epochs=epochs, learning_rate=2e-5, precision=precision, keep="last")
    Trainer("speed", LPBert(), OnePass(everybody), recipe, Context(folder=folder), "speed").run()


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_flush_denormal(True)
    return people(Synthetic(seed=5, users=USERS).load("B"))


@pytest.mark.bench
@pytest.mark.parametrize("precision", PRECISIONS)
def test_training(benchmark, persons: list[Person], precision: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """One pass over 64 users with the published dropout, a checkpoint at each end included."""
    torch.manual_seed(0)
    train(persons[:BATCH], precision, 1, tmp_path / "warm")
    benchmark.pedantic(lambda: train(persons, precision, 1, tmp_path / "timed"), rounds=1)
    benchmark.extra_info["users_per_second"] = round(USERS / benchmark.stats["min"], 2)
    benchmark.extra_info["rows_per_user"] = round(float(np.mean([len(p.d) for p in persons])))


@pytest.mark.bench
@pytest.mark.parametrize("precision", PRECISIONS)
def test_prediction(benchmark, persons: list[Person], precision: str) -> None:  # type: ignore[no-untyped-def]
    """64 users, 15 days each, from packing to cells."""
    torch.manual_seed(0)
    model, rng = LPBert(), np.random.default_rng(0)
    examples = [hide_days(person, rng, 60, 15, at_end=1.0) for person in persons]
    benchmark.pedantic(lambda: list(predict(model, examples, BATCH, precision)), rounds=2, warmup_rounds=1)
    benchmark.extra_info["users_per_second"] = round(USERS / benchmark.stats["min"], 2)


@pytest.mark.bench
def test_batch_16_fits_in_6_gb() -> None:
    """Peak resident memory of a process that trains two epochs at batch 16 in float32, everything included."""
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    print(f"peak memory {float(run.stdout):.2f} GB")
    assert float(run.stdout) < 6.0


if __name__ == "__main__":
    everybody = sorted(people(Synthetic(seed=5, users=USERS).load("B")), key=lambda person: -len(person.d))
    with TemporaryDirectory() as scratch:
        train(everybody, "float32", 2, Path(scratch))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
