"""From logits to cells: user by user in time order, with a discount on staying where one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from baselines.lp_bert.data import Example, pack
from baselines.lp_bert.model import LPBert
from bench.data.world import Grid
from bench.training.precision import autocast

Discount = Literal["logit", "probability"]


def choose(logits: np.ndarray, penalty: float, on: Discount) -> np.ndarray:
    """Return cells from 1 for one user's rows in time order; logits float (rows, 200) of one axis.

    The score of the previous answer is multiplied by ``penalty`` before the best is taken. logit: the public code's
    rule, which raises a negative score; probability: always lowers it.
    """
    chosen = np.empty(len(logits), np.int64)
    best = -1
    for i, row in enumerate(logits):
        if best >= 0:
            row[best] = row[best] + np.log(penalty) if on == "probability" else row[best] * penalty
        chosen[i] = best = int(row.argmax())
    return chosen + 1


def predict(
    model: LPBert,
    examples: Sequence[Example],
    batch: int,
    precision: str,
    penalty: float = 0.9,
    on: Discount = "logit",
    grid: Grid | None = None,
) -> Iterator[np.ndarray]:
    """Yield int64 (asked rows, 2), cells from 1 within the grid, for each example in order."""
    grid = grid or Grid()
    device = next(model.parameters()).device.type
    model.eval()
    for first in range(0, len(examples), batch):
        packed = pack(examples[first : first + batch])
        with torch.no_grad(), autocast(device, precision):
            x, y = (axis.cpu().numpy() for axis in model(packed.to(device)))
        ends = np.cumsum(packed.asks)
        for rows in map(slice, ends - packed.asks, ends):
            cells = choose(x[rows, : grid.width], penalty, on), choose(y[rows, : grid.height], penalty, on)
            yield np.stack(cells, axis=1)
