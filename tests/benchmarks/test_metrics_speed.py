"""Speed of the four main figures: ``pytest -m bench tests/benchmarks/test_metrics_speed.py``.

Aim: at most 0.25 ms for all four per trajectory of a real user of city B on one core, about half of it on two. The
reference code takes 186 ms. Each row of the table times 100 users, plain Python 4; extra_info has ms per trajectory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plain_metrics import user_scores
from walks import noisy, walks

from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import MAIN, geobleu, score_users

pytestmark = pytest.mark.bench
REPEATS = 20  # of the same 100 users where two threads are compared: 100 alone are done before threads have started


def run(benchmark: Any, truth: Trajectories, x: np.ndarray, y: np.ndarray, threads: int) -> None:
    score_users(x, y, truth)  # compile and warm up
    frame = benchmark.pedantic(score_users, (x, y, truth), {"threads": threads}, rounds=15, warmup_rounds=2)
    benchmark.extra_info["ms_per_trajectory"] = 1000 * benchmark.stats.stats.min / len(frame)
    assert set(MAIN) <= set(frame)


def like_b() -> tuple[Trajectories, np.ndarray, np.ndarray]:
    """Walks with about as many points a day as city B's users (12, at most 48), and answers near the truth."""
    truth = walks(100, points=(1, 24), city="B")
    return truth, *noisy(truth)


def real(folder: Path, model: str) -> tuple[Trajectories, np.ndarray, np.ndarray]:
    truth = Trajectories.from_frame(pd.read_csv(folder / "city_B.csv.gz"), "B").days(60, 74)
    said = Trajectories.from_frame(pd.read_csv(folder / "predictions" / f"{model}_B.csv.gz"), "B")
    return truth, said.x, said.y


def many(truth: Trajectories, x: np.ndarray, y: np.ndarray) -> tuple[Trajectories, np.ndarray, np.ndarray]:
    """The same users again and again, under new numbers."""
    columns = {name: np.tile(getattr(truth, name), REPEATS) for name in truth.columns()}
    columns["uid"] = np.concatenate([truth.uid + 100_000 * i for i in range(REPEATS)])
    return Trajectories(truth.cities, **columns), np.tile(x, REPEATS), np.tile(y, REPEATS)


def test_made_users_one_core(benchmark: Any) -> None:
    truth, x, y = like_b()
    run(benchmark, truth, x, y, threads=1)


@pytest.mark.parametrize("model", ["llama-3-8b-mob_AB", "lp-bert"])
def test_real_users_one_core(benchmark: Any, humob100: Path, model: str) -> None:
    run(benchmark, *real(humob100, model), threads=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_made_users(benchmark: Any, threads: int) -> None:
    if (os.cpu_count() or 1) < threads:
        pytest.skip(f"needs {threads} cores")
    run(benchmark, *many(*like_b()), threads=threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_real_users(benchmark: Any, humob100: Path, threads: int) -> None:
    if (os.cpu_count() or 1) < threads:
        pytest.skip(f"needs {threads} cores")
    run(benchmark, *many(*real(humob100, "lp-bert")), threads=threads)


def test_plain_python(benchmark: Any) -> None:
    """What the ratio is measured against: the definitions, written down."""
    truth, x, y = like_b()
    table = geobleu.proximity()

    def four_users() -> None:
        for user in truth.users[:4]:
            rows = truth._slices[user]
            cells = [
                list(zip(a[rows].tolist(), b[rows].tolist(), strict=True)) for a, b in ((x, y), (truth.x, truth.y))
            ]
            points = list(zip(truth.d[rows].tolist(), truth.t[rows].tolist(), strict=True))
            user_scores(points, *cells, lambda square: float(table[square]))

    benchmark.pedantic(four_users, rounds=3)
    benchmark.extra_info["ms_per_trajectory"] = 1000 * benchmark.stats.stats.min / 4
