"""Ranked cells against the true one, as work on next points of interest reports it: accuracy@k and MRR.

Yang et al., "GETNext: Trajectory Flow Map Enhanced Transformer for Next POI Recommendation" (SIGIR 2022), section 5.2;
here cells of the grid are ranked, and ranks beyond 10 count as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.evaluation.metrics import RANKS

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the four per user: means over the user's points. A missed point has no rank.

    A model that names one cell alone has a list of one, so that its four figures are equal.
    """
    rank = _ranks(pairs)
    found = {f"accuracy_at_{k}@v1": pairs.mean_by_user((rank <= k).astype(float)) for k in (1, 5, RANKS)}
    return {**found, "mrr_at_10@v1": pairs.mean_by_user(np.where(rank <= RANKS, 1.0 / rank, 0.0))}


def _ranks(pairs: Pairs) -> np.ndarray:
    """Return the rank of each row's true cell, from 1; RANKS + 1 where it is not among the first RANKS.

    A cell that is named twice keeps its better rank, and takes the worse one from no other cell.
    """
    cells = np.stack([pairs.x, pairs.y], axis=1)[:, None] if pairs.ranked is None else pairs.ranked[:, :RANKS]
    hit = (cells[:, :, 0] == pairs.truth_x[:, None]) & (cells[:, :, 1] == pairs.truth_y[:, None])
    hit &= ~pairs.missed[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, RANKS + 1)
