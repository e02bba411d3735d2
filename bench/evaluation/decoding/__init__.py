"""Decoding for the score: from what a model believes of a day to the one day it answers with.

A model gives shares of cells for each query (:func:`from_shares`), or whole sampled days (:func:`from_samples`). Ways:

- *slot*: the most probable cell of each query;
- *proximity*: the cell of highest expected exp(-km), GEO-BLEU's proximity, query by query;
- *expected_geobleu*: the day of highest expected score, with a weight for distance (minimum Bayes risk; Kumar and
  Byrne, Minimum Bayes-Risk Decoding for Statistical Machine Translation, HLT-NAACL 2004), see :func:`best_days`;
- *sample*: one sampled day, as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Way = Literal["slot", "proximity", "expected_geobleu", "sample"]
Version = Literal["humob24", "giscup25"]


@dataclass(frozen=True)
class Objective:
    """What a day of m points is worth under sampled days; it stands in for the expectation of GEO-BLEU.

    Sum over orders n of log(e_n + (1 - e_n) M_n / (m - n + 1)), where M_n is the expected number of n-grams that the
    day shares with a sample (clipped: the r-th copy counts where the sample has r); plus the mean over points of
    ``proximity`` E[exp(-0.5 cells)] - ``distance`` E[km], which keeps the order of places, and DTW low. GEO-BLEU
    matches near n-grams too: ``near_misses`` (e_n, one an order) is what they are worth where no exact one matches.
    """

    near_misses: tuple[float, ...]
    proximity: float = 1.0
    distance: float = 2.0


# Chosen on days 45-59 of 200 people of HuMob 2024 (days 0-44 known): .002 GEO-BLEU around the best is flat.
OBJECTIVES: dict[str, Objective] = {
    "humob24": Objective((0.2, 0.12, 0.08)),
    "giscup25": Objective((0.4, 0.3, 0.2, 0.5, 0.5)),  # exact matches of four and five are too rare to steer by
}


def objective(score: Version, distance: float | None = None) -> Objective:
    """Return the objective of a GEO-BLEU version; distance: weight of a kilometre (the version's own if None)."""
    own = OBJECTIVES[score]
    return own if distance is None else replace(own, distance=distance)


def best_days(
    samples: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    days: np.ndarray,
    aim: Objective,
    *,
    cell_km: float = 0.5,
    starts: int = 2,
    sweeps: int = 2,
    cells: int = 6,
) -> np.ndarray:
    """Return the cell of each query in the best days found, int64 indices into x, y.

    samples: integer (samples, queries), indices into the cells x, y; days: (queries,) in time order, equal within a
    day. Coordinate ascent over the most probable ``cells`` of each query, at most ``sweeps`` times through the day,
    from the best ``starts`` of the samples and of the answer point by point: never worse than these in its own
    objective. The order of the samples does not matter; a single sample is returned as it is.
    """
    from bench.evaluation.decoding.ascent import decode

    borders = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1], [True]])).astype(np.int64)
    by_query = np.ascontiguousarray(samples.T, np.int32)
    places = (np.ascontiguousarray(column, np.int32) for column in (x, y))
    weights = (np.array(aim.near_misses), float(aim.proximity), float(aim.distance * cell_km), float(cell_km))
    answer = np.empty(len(by_query), np.int32)
    decode(by_query, *places, borders, *weights, starts, sweeps, cells, answer)
    return answer.astype(np.int64)


def from_samples(
    samples: np.ndarray, x: np.ndarray, y: np.ndarray, days: np.ndarray, way: Way, aim: Objective, cell_km: float = 0.5
) -> np.ndarray:
    """Answer from sampled days; see :func:`best_days` for shapes. Ties go to the cell with the lower index."""
    if way == "sample":
        return samples[0].astype(np.int64)
    if way == "expected_geobleu":
        return best_days(samples, x, y, days, aim, cell_km=cell_km)
    ordered = np.sort(samples, axis=0).T  # equal cells side by side: each counts as often as it stands there
    if way == "proximity":
        chosen = nearest(np.ones(ordered.shape), x[ordered], y[ordered], cell_km)
    else:
        chosen = (ordered[:, :, None] == ordered[:, None, :]).sum(axis=2).argmax(axis=1)
    return np.take_along_axis(ordered, chosen[:, None], axis=1)[:, 0].astype(np.int64)


def from_shares(
    shares: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    days: np.ndarray,
    way: Way,
    aim: Objective,
    samples: int,
    rng: np.random.Generator,
    cell_km: float = 0.5,
) -> np.ndarray:
    """Answer from shares of each query's choices, taken as independent; return the choices, int64 (queries,).

    shares, x, y: (queries, choices), in any scale that is one for a query. samples: days to draw where days are needed.
    """
    if way == "slot":
        return np.round(shares / shares.max(axis=1, keepdims=True), 9).argmax(axis=1)
    if way == "proximity":
        return nearest(shares, x, y, cell_km)
    drawn = draw(shares, samples, rng)
    if way == "sample":
        return drawn[0]
    cell, number = np.unique(x.astype(np.int64) << 32 | y.astype(np.int64), return_inverse=True)
    number, query = number.reshape(x.shape), np.arange(len(x))
    best = best_days(number[query, drawn], cell >> 32, cell & 0xFFFFFFFF, days, aim, cell_km=cell_km)
    return (number == best[:, None]).argmax(axis=1)


def nearest(shares: np.ndarray, x: np.ndarray, y: np.ndarray, cell_km: float = 0.5) -> np.ndarray:
    """Return the choice of highest expected proximity of each query; the first of those equal but for rounding."""
    apart = np.hypot(x[:, :, None] - x[:, None, :], y[:, :, None] - y[:, None, :])
    expected = np.einsum("qck,qk->qc", np.exp(-cell_km * apart), shares)
    return np.round(expected / expected.max(axis=1, keepdims=True), 9).argmax(axis=1)


def draw(shares: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw choices for each query independently: (queries, choices) -> int64 (samples, queries).

    Systematic sampling: each choice comes as often as its share of the samples says, rounded up or down; which samples
    hold it is chance. So 64 samples decode as well as 100 to 300 plain ones.
    """
    total = np.cumsum(shares, axis=1, dtype=np.float64)
    level = (np.arange(samples) + rng.random((len(shares), 1))) / samples * total[:, -1:]
    chosen = (level[:, :, None] >= total[:, None, :-1]).sum(axis=2)
    return rng.permuted(chosen, axis=1).T
