"""Speed and memory of lp_bert on full 75-day users, on all cores: pytest -m bench tests/benchmarks.

Wanted on 2 cores: 2.5 users a second in training at batch 16 within 6 GB, 20 a second in prediction (float32).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch

from baselines.lp_bert.data import Person, hide_days, pack, people
from baselines.lp_bert.decode import predict
from baselines.lp_bert.model import LPBert
from baselines.lp_bert.train import Trainer
from bench.data.sources.synthetic import Synthetic

USERS, BATCH = 64, 16
PRECISIONS = ("float32", "bfloat16")


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_flush_denormal(True)
    return people(Synthetic(seed=5, users=USERS).load("B"))


@pytest.mark.bench
@pytest.mark.parametrize("precision", PRECISIONS)
def test_training(benchmark, persons: list[Person], precision: str) -> None:  # type: ignore[no-untyped-def]
    """One pass over 64 users with the published dropout, the making of batches included."""
    torch.manual_seed(0)
    trainer, rng = Trainer(LPBert(), 2e-5, "cross_entropy", precision), np.random.default_rng(0)

    def epoch() -> None:
        for first in range(0, USERS, BATCH):
            trainer.step(pack([hide_days(p, rng, 60, 15) for p in persons[first : first + BATCH]]), 1.0)

    epoch()
    benchmark.pedantic(epoch, rounds=1)
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
    everybody, generator = people(Synthetic(seed=5, users=USERS).load("B")), np.random.default_rng(0)
    trained = Trainer(LPBert(), 2e-5, "cross_entropy", "float32")
    longest = sorted(everybody, key=lambda person: -len(person.d))
    for group in (longest[:BATCH], *(everybody[i : i + BATCH] for i in range(0, USERS, BATCH))):
        trained.step(pack([hide_days(person, generator, 60, 15) for person in group]), 1.0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
