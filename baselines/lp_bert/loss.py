"""What LP-BERT's training lowers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.lp_bert.model import CELLS, Batch

Aim = Literal["cross_entropy", "proximity"]


def loss_of(network: nn.Module, batch: Batch, aim: Aim) -> Tensor:
    """Return the mean loss over the asked rows.

    cross_entropy: the mean over x and y, as in the public code. proximity: one minus the expected product of
    exp(-0.5 * distance) on the two axes, which is nearly what GEO-BLEU counts, plus a fifth of the cross-entropy. Since
    x and y are drawn apart, the product is largest where both settle on the same one of several places.
    """
    assert batch.labels is not None
    logits = network(batch)
    pairs = list(zip(logits, batch.labels.T, strict=True))
    entropy = torch.stack([F.cross_entropy(axis, label) for axis, label in pairs]).mean()
    if aim == "cross_entropy":
        return entropy
    cells = torch.arange(CELLS, device=batch.labels.device)
    near = ((axis.softmax(dim=1), torch.exp(-0.5 * (cells - label[:, None]).abs())) for axis, label in pairs)
    x, y = ((chance * close).sum(dim=1) for chance, close in near)
    return 1.0 - (x * y).mean() + 0.2 * entropy
