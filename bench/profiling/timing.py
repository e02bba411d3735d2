"""What a model costs: latency for single trajectories, throughput in batches, peak memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.adapters import usage
from bench.adapters.adapter import Adapter, Context
from bench.data.trajectories import Answers, Queries, Trajectories

LATENCY_USERS = 20
FEWEST_USERS = 5
ENOUGH_SECONDS = 60  # a slow model is timed on fewer users
WARM_UP_USERS = 2


@dataclass(frozen=True)
class Call:
    """One call of predict: users answered, seconds taken, and the usage that the model reports."""

    users: int
    seconds: float
    used: Mapping[str, float]


def timed_call(adapter: Adapter, history: Trajectories, queries: Queries, ctx: Context) -> tuple[Answers, Call]:
    """Predict, and time it."""
    synchronise(ctx.device)
    started = time.perf_counter()
    answers = adapter.predict(history, queries, ctx)
    synchronise(ctx.device)
    return answers, Call(len(queries.users), time.perf_counter() - started, dict(adapter.usage()))


def warm_up(adapter: Adapter, history: Trajectories, queries: Queries, ctx: Context) -> None:
    """Predict a few users, so that the model loads and compiles what it needs."""
    for user in _spread(queries)[:WARM_UP_USERS]:
        adapter.predict(history.of(user), queries.of(user), ctx)


def measure(
    adapter: Adapter, history: Trajectories, queries: Queries, ctx: Context, batch: Call | None = None
) -> dict[str, Any]:
    """Time predictions of a model that is warm; the keys are those of record.Cost.

    Latency: up to 20 users, spread evenly over the test users, one per call. A slow model is timed for about a minute,
    on 5 users or more. Throughput: one call over all users, up to one batch of ``batch_users``. batch: such a call that
    was already timed. usage: what the model reports per trajectory; left out if it reports nothing.
    """
    singles: list[Call] = []
    chosen = _spread(queries)
    for i, user in enumerate(chosen):
        if i >= FEWEST_USERS and sum(call.seconds for call in singles) > ENOUGH_SECONDS:
            break
        ctx.check_time()
        ctx.progress("latency", i, len(chosen))
        singles.append(timed_call(adapter, history.of(user), queries.of(user), ctx)[1])
    if batch is None:
        users = queries.users[: adapter.batch_users]
        _answers, batch = timed_call(adapter, history.only(users), queries.only(users), ctx)
    seconds = [call.seconds for call in singles]
    used = {
        "alone": usage.per_trajectory([call.used for call in singles]),
        "batch": usage.per_trajectory([batch.used]),
    }
    return {
        "latency_median_s": float(np.median(seconds)),
        "latency_p95_s": float(np.quantile(seconds, 0.95)),
        "latency_users": len(seconds),
        "throughput_per_s": batch.users / batch.seconds,
        **({"usage": used} if any(used.values()) else {}),
    }


def _spread(queries: Queries) -> list[tuple[str, int]]:
    """Choose users evenly, in an order in which the first few are spread over all, too."""
    users = queries.users
    places = np.unique(np.linspace(0, len(users) - 1, LATENCY_USERS).astype(int))
    return [users[i] for step in range(FEWEST_USERS) for i in places[step::FEWEST_USERS]]


def synchronise(device: str) -> None:
    """Wait until a CUDA device has finished its work; do nothing on a CPU."""
    if device.startswith("cuda") and "torch" in sys.modules:
        sys.modules["torch"].cuda.synchronize()


def peak_memory_mb() -> float:
    """Peak resident memory of this process so far, in MiB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return float(psutil.Process().memory_info().peak_wset / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def peak_gpu_memory_mb() -> float | None:
    """Peak memory that torch took on the GPU, in MiB; None if it took none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return float(torch.cuda.max_memory_allocated() / 2**20)
