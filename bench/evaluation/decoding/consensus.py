"""One answer from several: each is a sampled run of one model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.data.trajectories import MISSING, OK, Answers, Queries
from bench.evaluation.decoding import Objective, Way, from_samples


def consensus(runs: Sequence[Answers], queries: Queries, way: Way, aim: Objective, cell_km: float = 0.5) -> Answers:
    """Return one user's answer: the day of highest expected score, or another way to decode, under the runs' days.

    A point that a run lacks is taken from what most of the others say there; a point that all lack is missing.
    """
    ok = np.array([run.status == OK for run in runs], bool).reshape(-1, len(queries))
    known = ok.any(axis=0)
    if not known.any():
        zero = np.zeros(len(queries), np.int16)
        return Answers.of(zero, zero, np.full(len(queries), MISSING))
    cells = np.stack([run.x.astype(np.int64) << 32 | run.y for run in runs])
    cell, number = np.unique(cells, return_inverse=True)
    samples = _filled(number.reshape(cells.shape), ok)[ok.any(axis=1)][:, known]
    x, y, best = cell >> 32, cell & 0xFFFFFFFF, np.zeros(len(queries), np.int64)
    best[known] = from_samples(samples, x, y, queries.d[known], way, aim, cell_km)
    return Answers.of(x[best], y[best], np.where(known, OK, MISSING))


def _filled(number: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """Give each missing point the cell that most of the others name, the lowest of equals; shapes (runs, queries)."""
    filled = number.copy()
    for q in np.flatnonzero(~ok.all(axis=0) & ok.any(axis=0)):
        filled[~ok[:, q], q] = np.bincount(number[ok[:, q], q]).argmax()
    return filled
