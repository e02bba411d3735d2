"""What the compiled metrics share: compiling with a cache that is safe to share, threads over days, means over days."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba
import numpy as np

Kernel = Callable[..., Any]

_FEWEST_DAYS = 64  # below this a second thread costs more than it saves


def jit(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile for one signature, without the GIL, cached on disk where a folder can be written.

    Processes may race for the cache: numba renames finished files into place, one signature makes all writers write
    the same, and the source's hash in the file's name keeps code of another version from ever being loaded. numba goes
    from the package's folder to the user's cache folder; where neither can be written, it compiles anew (seconds).
    """

    def compile_(function: Kernel) -> Kernel:
        source = Path(function.__code__.co_filename).read_bytes()
        function.__qualname__ = f"{function.__name__}_{hashlib.sha256(source).hexdigest()[:12]}"
        try:
            return numba.njit(signature, nogil=True, cache=True)(function)
        except (RuntimeError, OSError):
            return numba.njit(signature, nogil=True)(function)

    return compile_


def per_day(kernel: Kernel, starts: np.ndarray, threads: int | None, *arguments: object) -> None:
    """Call ``kernel(first, last, starts, *arguments)`` for runs of days of about equal cost, on several threads.

    starts: offsets of the days, (days + 1). threads: all cores where None. Threads and not numba's own parallel loops,
    which neither survive a fork nor bear two callers at once.
    """
    days = len(starts) - 1
    workers = min(threads or numba.config.NUMBA_NUM_THREADS, max(1, days // _FEWEST_DAYS))  # type: ignore[attr-defined]
    cost = np.concatenate([[0], np.cumsum(np.diff(starts) ** 2)])
    cuts = np.searchsorted(cost, np.linspace(0, cost[-1], 4 * workers + 1 if workers > 1 else 2))
    cuts[0], cuts[-1] = 0, days
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(kernel, int(a), int(b), starts, *arguments) for a, b in pairwise(cuts)]
        for job in jobs:
            job.result()


def mean_over_days(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return each user's mean, bit for bit as ``np.mean`` of that user's days gives it.

    values: (days, columns); first: offsets of the users among the days, (users + 1). Returns (users, columns).
    """
    counts = np.diff(first)
    means = np.full((len(counts), values.shape[1]), np.nan)
    columns = np.ascontiguousarray(values.T)
    for n in np.unique(counts[counts > 0]):
        users = np.flatnonzero(counts == n)
        days = np.ascontiguousarray(columns[:, first[users, None] + np.arange(n)])  # np.mean's sum follows the layout
        means[users] = days.mean(axis=2).T
    return means
