"""From logits to cells: user by user in time order, with a discount on staying where one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from baselines._decoding import DecodeSettings
from baselines._decoding import choose as choose_of_shares
from baselines.lp_bert.data import Example, pack
from baselines.lp_bert.model import LPBert
from bench.adapters.adapter import Context
from bench.data.trajectories import Queries
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
) -> Iterator[np.ndarray]:
    """Yield int64 (asked rows, 2), cells from 1 within the grid, for each example in order."""
    for x, y in logits(model, examples, batch, precision):
        yield np.stack((choose(x, penalty, on), choose(y, penalty, on)), axis=1)


def logits(
    model: LPBert, examples: Sequence[Example], batch: int, precision: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the logits of both axes, float (asked rows, width) and (asked rows, height), for each example in order."""
    device = next(model.parameters()).device.type
    model.eval()
    for first in range(0, len(examples), batch):
        some = examples[first : first + batch]
        packed = pack(some)
        with torch.no_grad(), autocast(device, precision):
            x, y = (axis.cpu().numpy() for axis in model(packed.to(device)))
        ends = np.cumsum(packed.asks)
        for example, rows in zip(some, map(slice, ends - packed.asks, ends), strict=True):
            width, height = example.person.size
            yield x[rows, :width], y[rows, :height]


def best_cells(
    x: np.ndarray, y: np.ndarray, queries: Queries, settings: DecodeSettings, ctx: Context, most: int = 6
) -> np.ndarray:
    """Return int64 (rows, 2), cells from 1, of one user's answer decoded as the settings say.

    The axes' probabilities are taken as independent: the ``most`` likeliest of each make the choices.
    """
    axes = []
    for scores in (x, y):
        best = np.argsort(-scores, axis=1, kind="stable")[:, :most]
        top = np.take_along_axis(scores, best, axis=1).astype(np.float64)
        axes.append((best + 1, np.exp(top - top[:, :1])))
    (x_cells, x_odds), (y_cells, y_odds) = axes
    shape = (len(x), x_cells.shape[1], y_cells.shape[1])
    at_x = np.broadcast_to(x_cells[:, :, None], shape).reshape(len(x), -1)
    at_y = np.broadcast_to(y_cells[:, None, :], shape).reshape(len(x), -1)
    shares = (x_odds[:, :, None] * y_odds[:, None, :]).reshape(len(x), -1)
    return np.stack(choose_of_shares(shares, at_x, at_y, queries, settings, ctx), axis=1)
