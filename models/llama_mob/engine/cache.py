"""A key-value cache for rows of unequal length, allocated once, that can roll back and compact row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


class KeyValueCache:
    """Keys and values of rows of unequal length; stands in for transformers' caches under a model's own attention.

    keys, values: (layers, rows, kv heads, room, head dim), zeros at first, because what is masked must be finite too;
    lengths: int64 (rows,), tokens each row holds. Before a pass, ``aim`` says where its tokens go; the model's layers
    then call ``update``. Places beyond a row's length hold what passes left there and are masked by the caller.
    """

    def __init__(self, config: Any, rows: int, room: int, device: torch.device, dtype: torch.dtype) -> None:
        layers, heads, width = shape(config)
        self.keys = torch.zeros((layers, rows, heads, room, width), device=device, dtype=dtype)
        self.values = torch.zeros_like(self.keys)
        self.lengths = np.zeros(rows, np.int64)
        self._at: tuple[torch.Tensor, slice, torch.Tensor] | None = None
        self._first = self._last = self._seen = 0

    @property
    def rows(self) -> int:
        """Rows there are."""
        return int(self.keys.shape[1])

    @property
    def room(self) -> int:
        """Tokens a row can hold."""
        return int(self.keys.shape[3])

    def aim(self, first: int, at: torch.Tensor, seen: int) -> None:
        """Say where the next pass writes and reads.

        at: int64 (rows, tokens), the places of its tokens in the rows from ``first`` on; seen: how many places of those
        rows the attention is given.
        """
        self._first, self._last, self._seen = first, first + len(at), seen
        rows = torch.arange(self._first, self._last, device=at.device)[:, None]
        self._at = rows, slice(None), at

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write (rows, kv heads, tokens, head dim) where ``aim`` said; return the first ``seen`` places of its rows."""
        return self._put(self.keys[layer], keys), self._put(self.values[layer], values)

    def _put(self, held: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        held[self._at] = new.transpose(1, 2)
        return held[self._first : self._last, :, : self._seen]

    def rollback(self, row: int, length: int) -> None:
        """Forget what a row holds beyond ``length`` tokens."""
        if not 0 <= length <= self.lengths[row]:
            raise ValueError(f"row {row} holds {self.lengths[row]} tokens, not {length}")
        self.lengths[row] = length

    def keep(self, row: int, start: int, chosen: Sequence[int] | np.ndarray) -> None:
        """Of a row's tokens from place ``start`` on keep the ``chosen`` offsets alone (ascending), moved together."""
        kept = np.asarray(chosen, np.int64)
        if not np.array_equal(kept, np.arange(len(kept))):
            source = torch.as_tensor(kept + start, device=self.keys.device)
            for held in (self.keys, self.values):
                held[:, row, :, start : start + len(kept)] = held[:, row].index_select(2, source)
        self.rollback(row, start + len(kept))

    def copy(self, source: int, target: int, length: int) -> None:
        """Fill a row with the first ``length`` places of another, or of itself: what a pass left there still counts."""
        if source != target:
            for held in (self.keys, self.values):
                held[:, target, :, :length] = held[:, source, :, :length]
        self.lengths[target] = length

    def move(self, source: int, target: int) -> None:
        """Put one row in another's place."""
        self.copy(source, target, int(self.lengths[source]))
        self.lengths[source] = 0


def shape(config: Any) -> tuple[int, int, int]:
    """Return layers, key-value heads and head dimension of a model's config."""
    heads = int(config.num_attention_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    return int(config.num_hidden_layers), int(kv_heads), int(width)
