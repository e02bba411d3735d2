"""Forward passes over rows of unequal length: some tokens in for each, scores of the allowed numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel

from models.llama_mob.engine.attention import mask
from models.llama_mob.engine.cache import KeyValueCache
from models.llama_mob.engine.sampling import check_finite

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


@dataclass(frozen=True)
class Packed:
    """The feeds of a pass side by side.

    ids, positions: int64 (rows, tokens), short rows filled up; begins: (rows, 1), tokens the rows hold; sees: bool
    (rows, tokens, tokens), None where no feed is a tree; places: how many places of the rows are attended to; plain:
    whether attention needs no mask.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    begins: torch.Tensor
    sees: torch.Tensor | None
    places: int
    plain: bool

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Packed:
        """Return the same with every tensor changed."""
        sees = None if self.sees is None else change(self.sees)
        ids, positions, begins = (change(part) for part in (self.ids, self.positions, self.begins))
        return Packed(ids, positions, begins, sees, self.places, self.plain)


def pack(feeds: Sequence[Feed], lengths: IntArray) -> Packed:
    """Return feeds for rows that hold so many tokens."""
    rows, tokens = len(feeds), max(len(feed.tokens) for feed in feeds)
    ids, positions = np.zeros((rows, tokens), np.int64), lengths[:, None] + np.arange(tokens)
    tree = any(feed.sees is not None for feed in feeds)
    sees = np.tri(tokens, dtype=bool)[None].repeat(rows, 0) if tree else None
    for row, feed in enumerate(feeds):
        own = slice(len(feed.tokens))
        ids[row, own] = feed.tokens
        if sees is not None and feed.sees is not None:
            positions[row, own] = lengths[row] + feed.depths
            sees[row, own, own] = feed.sees
    places = int(lengths.max()) + tokens
    plain = rows == 1 and sees is None and tokens in (1, places)
    return Packed(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        begins=torch.from_numpy(lengths[:, None].copy()),
        sees=None if sees is None else torch.from_numpy(sees),
        places=places,
        plain=plain,
    )


Forward = Callable[[KeyValueCache, int, Packed], torch.Tensor]


def causal_of(model: torch.nn.Module) -> Any:
    """Return the causal language model itself, where peft has put its own class around it too."""
    wrapped: Any = model
    return wrapped.get_base_model() if hasattr(model, "get_base_model") else wrapped


class Passes:
    """A causal language model with a cache.

    numbers: ids whose scores are wanted, int64 (n,); numbers_alone: whether they are worked out alone, which a head
    that is quantized or has a LoRA does not allow; graphs: does the passes of ``feed`` in place of ``forward``. Rows
    0, 1, ... of the cache are taken by the rows of a batch.
    """

    def __init__(self, model: PreTrainedModel, numbers: IntArray) -> None:
        causal = causal_of(model)
        self.trunk = causal.get_decoder()
        self.config = causal.config
        self.device, self.dtype = causal.device, causal.dtype
        heads = self.config.num_attention_heads
        self._group = heads // (getattr(self.config, "num_key_value_heads", None) or heads)
        self.graphs: Forward | None = None
        self.head = causal.get_output_embeddings()
        self.numbers_alone = type(self.head) is torch.nn.Linear and self.head.bias is None
        self.choose_from(numbers)

    def choose_from(self, numbers: IntArray) -> None:
        """Take up the ids whose scores are wanted, and the head's weights for them as they are now."""
        self._numbers = torch.as_tensor(numbers, device=self.device)
        self._columns = self.head.weight[self._numbers] if self.numbers_alone else None

    def cache(self, rows: int, room: int) -> KeyValueCache:
        """Return an empty cache for the model."""
        return KeyValueCache(self.config, rows, room, self.device, self.dtype)

    def read(self, cache: KeyValueCache, row: int, tokens: IntArray, chunk: int, held: int = 0) -> FloatArray:
        """Fill a row with a prompt, ``chunk`` tokens at a time; return the scores after its last token, (n,).

        held: how many of the tokens the row holds already; the last is none of them.
        """
        cache.lengths[row] = held
        for start in range(held, len(tokens), chunk):
            part = tokens[start : start + chunk]
            last = np.array([len(part) - 1] if start + chunk >= len(tokens) else [], np.int64)
            (scores,) = self._pass(self.forward, cache, [Feed(part, last)], row)
        return scores[0]

    def feed(self, cache: KeyValueCache, feeds: Sequence[Feed], first: int = 0) -> list[FloatArray]:
        """Feed the rows from ``first`` on, which hold the tokens afterwards; return each one's wanted scores (w, n)."""
        return self._pass(self.graphs or self.forward, cache, feeds, first)

    def _pass(self, run: Forward, cache: KeyValueCache, feeds: Sequence[Feed], first: int) -> list[FloatArray]:
        rows = slice(first, first + len(feeds))
        packed = pack(feeds, cache.lengths[rows]).map(lambda part: part.to(self.device))
        hidden = run(cache, first, packed)
        cache.lengths[rows] += [len(feed.tokens) for feed in feeds]
        return self._wanted(hidden, feeds)

    def forward(self, cache: KeyValueCache, first: int, packed: Packed) -> torch.Tensor:
        """Do a pass: return the last hidden states (rows, tokens, hidden); the cache then holds keys and values."""
        tokens = packed.ids.shape[1]
        at = packed.begins + torch.arange(tokens, device=self.device)
        cache.aim(first, at, packed.places)
        hidden: torch.Tensor = self.trunk(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=None
            if packed.plain
            else mask(at, packed.begins, packed.sees, packed.places, self._group, self.dtype),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _wanted(self, hidden: torch.Tensor, feeds: Sequence[Feed]) -> list[FloatArray]:
        """Return the scores of the wanted places, row by row, on the CPU; they are finite."""
        counts = [len(feed.wanted) for feed in feeds]
        if not sum(counts):
            return [np.empty((0, 0), np.float32)] * len(feeds)
        row = torch.from_numpy(np.repeat(np.arange(len(feeds)), counts)).to(self.device)
        place = torch.from_numpy(np.concatenate([feed.wanted for feed in feeds])).to(self.device)
        picked = hidden[row, place]
        scores = self.head(picked)[:, self._numbers] if self._columns is None else linear(picked, self._columns)
        found = scores.float().cpu().numpy()
        check_finite(bool(np.isfinite(found).all()))
        return np.split(found, np.cumsum(counts)[:-1])
