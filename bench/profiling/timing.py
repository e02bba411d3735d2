"""What a model costs: latency one trajectory at a time, throughput in batches, peak memory."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from bench.adapters import usage
from bench.adapters.adapter import Adapter, Context
from bench.data.trajectories import Queries, Trajectories

LATENCY_USERS = 20
WARM_UP_USERS = 2


def measure(adapter: Adapter, history: Trajectories, queries: Queries, ctx: Context) -> dict[str, Any]:
    """Time predictions after a warm-up; the keys are those of record.Cost.

    Latency: up to 20 users, spread evenly over the test users, one per call. Throughput: one call in batches of
    ``batch_users``, over all users up to one batch. used: what the model says of both, a trajectory; left out where it
    says nothing.
    """
    users = queries.users
    chosen = [users[i] for i in np.unique(np.linspace(0, len(users) - 1, LATENCY_USERS).astype(int))]
    singles = [(history.of(user), queries.of(user)) for user in chosen]
    for past, asked in singles[:WARM_UP_USERS]:
        adapter.predict(past, asked, ctx)
    seconds, alone = [], []
    for i, (past, asked) in enumerate(singles):
        ctx.check_time()
        ctx.progress("latency", i, len(singles))
        seconds.append(_timed(adapter, past, asked, ctx))
        alone.append(dict(adapter.usage()))
    batch = users[: adapter.batch_users]
    together = _timed(adapter, history.only(batch), queries.only(batch), ctx)
    used = {"alone": usage.per_trajectory(alone), "batch": usage.per_trajectory([adapter.usage()])}
    return {
        "latency_median_s": float(np.median(seconds)),
        "latency_p95_s": float(np.quantile(seconds, 0.95)),
        "latency_users": len(seconds),
        "throughput_per_s": len(batch) / together,
        **({"usage": used} if any(used.values()) else {}),
    }


def _timed(adapter: Adapter, history: Trajectories, queries: Queries, ctx: Context) -> float:
    synchronise(ctx.device)
    started = time.perf_counter()
    adapter.predict(history, queries, ctx)
    synchronise(ctx.device)
    return time.perf_counter() - started


def synchronise(device: str) -> None:
    """Wait until a CUDA device has done what it was given; nothing on a CPU."""
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
    """Peak memory that torch took on the GPU, in MiB; None where it took none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return float(torch.cuda.max_memory_allocated() / 2**20)
