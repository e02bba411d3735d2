"""The objective of decoding, written down as its definition says: slow, for comparison."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np

from bench.evaluation.decoding import Objective


def worth(day: np.ndarray, samples: np.ndarray, x: np.ndarray, y: np.ndarray, aim: Objective, cell_km: float) -> float:
    """Return the objective of one day (points,) under samples (samples, points)."""
    m, total = len(day), 0.0
    for n, near_miss in enumerate(aim.near_misses[:m], 1):
        mine = grams(day, n)
        shared = np.mean([(mine & grams(sample, n)).total() for sample in samples])
        total += np.log(near_miss + (1 - near_miss) * shared / (m - n + 1))
    apart = np.hypot(x[day] - x[samples], y[day] - y[samples])
    point = aim.proximity * np.exp(-0.5 * apart) - aim.distance * cell_km * apart
    return float(total + point.mean())


def grams(day: np.ndarray, n: int) -> Counter[tuple[int, ...]]:
    """Count the n-grams of a day."""
    return Counter(tuple(day[i : i + n].tolist()) for i in range(len(day) - n + 1))


def best(samples: np.ndarray, x: np.ndarray, y: np.ndarray, aim: Objective, cell_km: float) -> float:
    """Return the highest worth of any day over the samples' cells."""
    cells = np.unique(samples)
    days = (np.array(day) for day in product(cells, repeat=samples.shape[1]))
    return max(worth(day, samples, x, y, aim, cell_km) for day in days)
