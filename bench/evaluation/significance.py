"""Which of several models are better beyond chance, corrected for the number of pairs; and the ranks that follow.

A pair is judged by how many half-widths of its 95 % interval (bench/evaluation/bootstrap.py) the difference lies above
zero: above one without correction. With several pairs the bar is Holm's, "A simple sequentially rejective multiple test
procedure" (Scandinavian Journal of Statistics 6, 1979): the clearest of k pairs must hold at 5 % / k, the next at
5 % / (k - 1), and so on; then in at most one table of twenty any two models that are equal are told apart.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from bench.evaluation.bootstrap import LEVEL, SAME, student

Ranks = tuple[int, int]


def better(samples: np.ndarray, users: int) -> np.ndarray:
    """Return a boolean matrix: [i, j] says that model i is better than j, Holm-corrected over all pairs.

    samples: resampled means (resamples, models), larger is better, resampled together; users: how many were resampled.
    Equal columns are never better than one another.
    """
    rows = np.ascontiguousarray(samples.T)
    noise = SAME * float(np.abs(rows).max(initial=1.0))
    ahead = np.stack([strengths(row - rows, noise) for row in rows])
    models = len(rows)
    return holm(ahead.ravel(), models * (models - 1) // 2, users).reshape(models, models)


def holm(found: np.ndarray, comparisons: int, users: int) -> np.ndarray:
    """Return which differences hold at 5 % for all comparisons together.

    found: how many half-widths of its interval each difference lies above 0 (see :func:`strengths`).
    """
    held = np.zeros(len(found), dtype=bool)
    for made, at in enumerate(np.argsort(-found, kind="stable")[:comparisons]):
        if found[at] < bar(comparisons - made, users):
            break
        held[at] = True
    return held


def moved(samples: np.ndarray, users: int) -> tuple[np.ndarray, int]:
    """Judge single differences: 1 above zero beyond chance, -1 below, 0 neither; Holm-corrected over all of them.

    samples: resampled differences (resamples, differences); users: how many were resampled, the fewest where they
    differ. Differences that are zero in every resampling are no tests. Returns the verdicts and how many were tested.
    """
    noise = SAME * float(np.abs(samples).max(initial=1.0))
    tested = np.flatnonzero((np.abs(samples) > noise).any(axis=0))
    strength = np.zeros(samples.shape[1])
    for j in tested:
        column = samples[:, j]
        mean, tail = float(column.mean()), 50 * (1 - LEVEL)
        side = float(np.sign(mean))
        near = side * float(np.percentile(column, tail if side > 0 else 100 - tail))
        if near > noise:  # the interval leaves zero out
            strength[j] = max(1.0, abs(mean) / (abs(mean) - near)) if abs(mean) - near > noise else np.inf
    verdicts = np.zeros(samples.shape[1], int)
    for made, j in enumerate(sorted(tested, key=lambda j: -strength[j])):
        if strength[j] < bar(len(tested) - made, users):
            break
        verdicts[j] = int(np.sign(samples[:, j].mean()))
    return verdicts, len(tested)


def bar(pairs: int, users: int) -> float:
    """Return how many half-widths of its 95 % interval a difference needs at 5 % / pairs: 1 for one pair."""
    quantile = NormalDist().inv_cdf
    return student(quantile(1 - (1 - LEVEL) / (2 * pairs)), users - 1) / student(quantile(0.5 + LEVEL / 2), users - 1)


def rank_ranges(won: np.ndarray) -> list[Ranks]:
    """Return the ranks that each model may have: (1 + models better than it, models not worse than it)."""
    above, below = won.sum(axis=0).tolist(), won.sum(axis=1).tolist()
    return [(1 + by, len(won) - over) for by, over in zip(above, below, strict=True)]


def strengths(differences: np.ndarray, noise: float) -> np.ndarray:
    """Return how many half-widths of its interval each difference lies above 0; 0 where below one.

    differences: resampled differences (differences, resamples); noise: what is rounding, not evidence.
    """
    clear = np.count_nonzero(differences > noise, axis=1) >= (0.5 + LEVEL / 2) * differences.shape[1]
    found = np.zeros(len(differences))
    for j in np.flatnonzero(clear):
        mean, low = float(differences[j].mean()), float(np.percentile(differences[j], 50 * (1 - LEVEL)))
        found[j] = max(1.0, mean / (mean - low)) if mean - low > noise else np.inf
    return found
