"""Batches of examples of similar length: little padding, and steps that cost about the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

POOL = 16  # batches that are sorted by length together: more waste less padding and shuffle less


def batches(lengths: Sequence[int], size: int, rng: np.random.Generator, similar: bool = True) -> list[list[int]]:
    """Return the indices of ``size`` examples a batch, each example once, in random order.

    similar: whether examples of a batch have similar lengths; else all are shuffled alike.
    """
    from transformers.trainer_pt_utils import get_length_grouped_indices

    if not len(lengths):
        return []
    if not similar:
        return cut(rng.permutation(len(lengths)).tolist(), size)
    drawn = torch.Generator().manual_seed(int(rng.integers(2**63)))
    grouped = cut(get_length_grouped_indices(list(lengths), size, POOL, drawn), size)
    return [grouped[i] for i in rng.permutation(len(grouped))]


def cut(order: list[int], size: int) -> list[list[int]]:
    """Return the order in pieces of ``size``; the last may be shorter."""
    return [order[first : first + size] for first in range(0, len(order), size)]
