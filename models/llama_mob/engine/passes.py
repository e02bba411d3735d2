"""Forward passes over rows of unequal length: some tokens in for each, scores of the allowed numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel

from models.llama_mob.engine.cache import KeyValueCache

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Feed:
    """What one row is fed in a pass.

    tokens: ids, (f,); wanted: offsets of those after which scores are needed; depths, sees: of a tree, how many tokens
    of the feed come before each on its branch, (f,), and which of the feed's tokens each sees, (f, f), itself included;
    None where each token follows the one before.
    """

    tokens: IntArray
    wanted: IntArray
    depths: IntArray | None = None
    sees: BoolArray | None = None


class Passes:
    """A causal language model with a cache.

    numbers: ids whose scores are wanted, int64 (n,); numbers_alone: whether they are worked out alone, which a head
    that is quantized or has a LoRA does not allow. Rows 0, 1, ... of the cache are taken by the rows of a batch.
    """

    def __init__(self, model: PreTrainedModel, numbers: IntArray) -> None:
        wrapped: Any = model
        causal = wrapped.get_base_model() if hasattr(model, "get_base_model") else wrapped
        self.trunk = causal.get_decoder()
        self.config = causal.config
        self.device, self.dtype = causal.device, causal.dtype
        heads = self.config.num_attention_heads
        self._group = heads // (getattr(self.config, "num_key_value_heads", None) or heads)
        self._head = causal.get_output_embeddings()
        self._numbers = torch.as_tensor(numbers, device=self.device)
        self.numbers_alone = type(self._head) is torch.nn.Linear and self._head.bias is None
        self._columns = self._head.weight[self._numbers] if self.numbers_alone else None

    def cache(self, rows: int, room: int) -> KeyValueCache:
        """Return an empty cache for the model."""
        return KeyValueCache(self.config, rows, room, self.device, self.dtype)

    def read(self, cache: KeyValueCache, row: int, tokens: IntArray, chunk: int) -> FloatArray:
        """Fill a row with a prompt, ``chunk`` tokens at a time; return the scores after its last token, (n,)."""
        cache.lengths[row] = 0
        last = np.empty(0, np.int64)
        for start in range(0, len(tokens), chunk):
            part = tokens[start : start + chunk]
            if start + chunk >= len(tokens):
                last = np.array([len(part) - 1])
            (scores,) = self.feed(cache, [Feed(part, last)], row)
        return scores[0]

    def feed(self, cache: KeyValueCache, feeds: Sequence[Feed], first: int = 0) -> list[FloatArray]:
        """Feed the rows from ``first`` on, which hold the tokens afterwards; return each one's wanted scores (w, n)."""
        rows, longest = len(feeds), max(len(feed.tokens) for feed in feeds)
        starts = cache.lengths[first : first + rows].copy()
        ids, positions = np.zeros((rows, longest), np.int64), starts[:, None] + np.arange(longest)
        for row, feed in enumerate(feeds):
            ids[row, : len(feed.tokens)] = feed.tokens
            if feed.depths is not None:
                positions[row, : len(feed.tokens)] = starts[row] + feed.depths
        seen = int(starts.max()) + longest
        begins = torch.as_tensor(starts, device=self.device)[:, None]
        at = begins + torch.arange(longest, device=self.device)
        cache.aim(first, at, seen)
        hidden = self.trunk(
            input_ids=torch.as_tensor(ids, device=self.device),
            position_ids=torch.as_tensor(positions, device=self.device),
            attention_mask=self._mask(feeds, begins, at, seen),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        cache.lengths[first : first + rows] += [len(feed.tokens) for feed in feeds]
        return self._wanted(hidden, feeds)

    def _mask(self, feeds: Sequence[Feed], begins: torch.Tensor, at: torch.Tensor, seen: int) -> torch.Tensor | None:
        """Return what is added to the attention's scores, (rows, 1, group x tokens, seen); None where causal is all."""
        rows, tokens = at.shape
        if rows == 1 and (tokens == 1 or (seen == tokens and feeds[0].sees is None)):
            return None
        sees = np.broadcast_to(np.tri(tokens, dtype=bool), (rows, tokens, tokens)).copy()
        for row, feed in enumerate(feeds):
            if feed.sees is not None:
                sees[row, : len(feed.tokens), : len(feed.tokens)] = feed.sees
        past = torch.arange(seen, device=self.device) < begins
        mask = past[:, None, None].repeat(1, 1, self._group * tokens, 1)
        block = torch.as_tensor(sees, device=self.device).repeat(1, self._group, 1)
        mask.scatter_(3, at[:, None, None].expand(-1, 1, self._group * tokens, -1), block[:, None])
        return torch.zeros((), device=self.device, dtype=self.dtype).where(mask, -torch.inf)

    def _wanted(self, hidden: torch.Tensor, feeds: Sequence[Feed]) -> list[FloatArray]:
        """Return the scores of the wanted places, row by row, on the CPU."""
        longest = hidden.shape[1]
        places = np.concatenate([feed.wanted + row * longest for row, feed in enumerate(feeds)])
        if not len(places):
            return [np.empty((0, 0), np.float32)] * len(feeds)
        picked = hidden.flatten(0, 1)[torch.as_tensor(places, device=self.device)]
        scores = self._head(picked)[:, self._numbers] if self._columns is None else linear(picked, self._columns)
        return np.split(scores.float().cpu().numpy(), np.cumsum([len(feed.wanted) for feed in feeds])[:-1])
