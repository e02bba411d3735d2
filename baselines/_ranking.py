"""The cells that a model holds likeliest, best first: what metrics of ranked answers look at."""

from __future__ import annotations

import numpy as np


def ranked(shares: np.ndarray, x: np.ndarray, y: np.ndarray, most: int) -> np.ndarray:
    """Return the ``most`` cells of the highest shares, int16 (queries, most, 2), 0 where there are fewer.

    shares: (queries, choices); x, y: alike, or (choices,) where all queries have the same. Among equals the first comes
    first; a cell without a share is not named.
    """
    x, y = np.broadcast_to(x, shares.shape), np.broadcast_to(y, shares.shape)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :most]
    rows = np.arange(len(shares))[:, None]
    cells = np.zeros((len(shares), most, 2), np.int16)
    cells[:, : order.shape[1]] = np.stack([x[rows, order], y[rows, order]], axis=2)
    cells[:, : order.shape[1]][shares[rows, order] <= 0] = 0
    return cells
