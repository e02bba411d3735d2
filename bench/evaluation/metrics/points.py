"""Point by point: how often the cell is right, how often nearly, and how far off it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.evaluation.metrics.pairs import Pairs


def score(pairs: Pairs) -> dict[str, np.ndarray]:
    """Return the four per user. A missed point is wrong, and a grid's diagonal away."""
    error = pairs.error_km
    return {
        "accuracy@v1": pairs.mean_by_user((error == 0).astype(float)),
        "within_1km@v1": pairs.mean_by_user((error <= 1.0).astype(float)),
        "mean_error@v1": pairs.mean_by_user(error),
        "median_error@v1": np.array([np.median(rows) for rows in pairs.split(error)]),
    }
