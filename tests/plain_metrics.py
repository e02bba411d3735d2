"""The four main figures in plain Python, as slow and as literal as their definitions: what the kernels must equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import gmean

Point = tuple[int, int]
Key = tuple[int, int]


def geobleu(
    predicted: Sequence[Point], truth: Sequence[Point], longest: int, proximity: Callable[[int], float]
) -> float:
    """GEO-BLEU of one day; ``proximity`` maps a squared distance in cells to exp(-0.5 * distance)."""
    precisions = []
    for n in range(1, min(longest, len(predicted)) + 1):
        pairs = []
        for i in range(len(predicted) - n + 1):
            for j in range(len(truth) - n + 1):
                product = 1.0
                for k in range(n):
                    (px, py), (tx, ty) = predicted[i + k], truth[j + k]
                    product *= proximity((px - tx) ** 2 + (py - ty) ** 2)
                pairs.append((product, i, j))
        pairs.sort(key=lambda pair: -pair[0])
        taken, used_i, used_j = [], set(), set()
        for product, i, j in pairs:
            if i not in used_i and j not in used_j:
                taken.append(product)
                used_i.add(i)
                used_j.add(j)
        precisions.append(sum(taken) / (len(predicted) - n + 1))
    with np.errstate(divide="ignore"):
        return float(gmean(precisions))


def dtw(predicted: Sequence[Point], truth: Sequence[Point], free_start: bool) -> float:
    """DTW of one day in km with 500 m cells; ``free_start``: as HuMob 2023 and 2024 scored it."""
    cost = [[math.inf] * (len(truth) + 1) for _ in range(len(predicted) + 1)]
    cost[0] = [0.0 if free_start or j == 0 else math.inf for j in range(len(truth) + 1)]
    for i, (px, py) in enumerate(predicted, start=1):
        for j, (tx, ty) in enumerate(truth, start=1):
            step = math.sqrt((px - tx) ** 2 + (py - ty) ** 2) / 2
            cost[i][j] = step + min(cost[i - 1][j], cost[i][j - 1], cost[i - 1][j - 1])
    return cost[-1][-1]


def user_scores(
    points: Sequence[Key], predicted: Sequence[Point], truth: Sequence[Point], proximity: Callable[[int], float]
) -> dict[str, float]:
    """All four figures of one user: the mean over days; ``points`` are (day, slot) in time order."""
    days = sorted({day for day, _slot in points})
    scores: dict[str, list[float]] = {}
    for day in days:
        p = [cell for cell, (d, _t) in zip(predicted, points, strict=True) if d == day]
        r = [cell for cell, (d, _t) in zip(truth, points, strict=True) if d == day]
        scores.setdefault("geobleu@humob24", []).append(geobleu(p, r, 3, proximity))
        scores.setdefault("geobleu@giscup25", []).append(geobleu(p, r, 5, proximity))
        scores.setdefault("dtw@humob24", []).append(dtw(p, r, free_start=True))
        scores.setdefault("dtw@fixed", []).append(dtw(p, r, free_start=False))
    return {name: float(np.mean(values)) for name, values in scores.items()}
