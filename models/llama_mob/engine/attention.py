"""Attention over a cache of rows of unequal length, for models that take theirs from transformers' registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "rows"
# For prompts not cuDNN's kernel, which plans anew for every length of the keys, tens of milliseconds each time. With a
# mask cuDNN's is the fastest by far (H200), and the engine keeps to few lengths there.
UNPLANNED = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
FEW = 128  # queries of one row up to which plain products, that spread the keys over the whole GPU, are faster
BLOCK = 128  # tokens of a row whose scores a CPU holds at a time
LEARNED = 9 * 4096**2  # scores of a layer up to which it keeps them for the way back: 5 GB in SmolLM2's 30 layers
ALIGNED = 8  # numbers: CUDA's kernels copy a mask, in every layer, whose rows do not begin at a multiple of this


def attend(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return (rows, tokens, heads, head dim) and no weights.

    query: (rows, heads, tokens, head dim); key, value: (rows, kv heads, places, head dim); attention_mask: added to the
    scores, (rows, 1, group x tokens, places) with group = heads / kv heads, or None: causal among the tokens where
    there are several, all places for a single one. Each token sees some place. The query heads that share keys are laid
    end to end as more queries, so that keys and values are never repeated in memory.
    """
    rows, heads, tokens, width = query.shape
    learned_from = torch.is_grad_enabled()
    if _in_bfloat16_on_cpu(key) and not (learned_from and rows * heads * tokens**2 > LEARNED):
        return _in_blocks(query, key, value, attention_mask, scaling or width**-0.5), None
    if attention_mask is None and tokens > 1:
        grouped = heads != key.shape[1]
        if grouped and key.is_cuda and key.dtype == torch.float32:  # of its kernels only the one that keeps all scores
            key, value = (part.repeat_interleave(heads // part.shape[1], dim=1) for part in (key, value))
            grouped = False
        with sdpa_kernel(UNPLANNED):
            mixed = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=grouped)
    else:
        packed = query.reshape(rows, key.shape[1], -1, width)
        few = rows == 1 and packed.shape[2] <= FEW and key.is_cuda and key.dtype != torch.float32
        if few and attention_mask is not None:
            mixed = _few(packed[0], key[0], value[0], attention_mask[0], scaling or width**-0.5)
        else:
            mixed = scaled_dot_product_attention(packed, key, value, attn_mask=attention_mask, scale=scaling)
    return mixed.reshape(rows, heads, tokens, width).transpose(1, 2), None


def _few(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Attend for one row, (kv heads, queries or places, head dim), by two products with scores in float32 between."""
    scores = torch.bmm(query, key.transpose(1, 2), out_dtype=torch.float32).mul_(scaling).add_(added)
    return torch.bmm(scores.softmax(dim=-1).to(value.dtype), value)


def _in_bfloat16_on_cpu(key: torch.Tensor) -> bool:
    computed = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else key.dtype
    return key.device.type == "cpu" and computed == torch.bfloat16


def _in_blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """Do as attend does by plain products, some tokens of a row at a time: torch's own CPU kernel takes twice as long.

    Scores are rounded to bfloat16, as in transformers' "eager" attention.
    """
    rows, heads, tokens, width = query.shape
    kv_heads, places = key.shape[1], key.shape[2]
    grouped = (query * scaling).bfloat16().reshape(rows, kv_heads, -1, tokens, width)
    key, value = key.bfloat16().transpose(2, 3), value.bfloat16()

    def hidden(start: int, count: int) -> torch.Tensor:
        """Return what is added where there is no mask."""
        if tokens == 1:
            return torch.zeros(1, places)
        return torch.full((count, places), -torch.inf).triu(start + 1)

    mixed = []
    for row in range(rows):
        for start in range(0, tokens, BLOCK):
            some = grouped[row, :, :, start : start + BLOCK]
            count = some.shape[2]
            here = hidden(start, count) if added is None else added[row, 0, start : start + count]
            seen = int(here.amax(dim=0).isfinite().nonzero()[-1]) + 1
            scores = torch.bmm(some.flatten(1, 2), key[row, :, :, :seen]).reshape(*some.shape[:3], seen)
            scores += here[:, :seen]
            found = torch.bmm(scores.softmax(dim=-1).flatten(1, 2), value[row, :, :seen])
            mixed.append(found.reshape(some.shape).permute(2, 0, 1, 3).reshape(-1, heads, width))
    return torch.cat(mixed).reshape(rows, tokens, heads, width)


def mask(
    at: torch.Tensor, begins: torch.Tensor, sees: torch.Tensor | None, places: int, group: int, dtype: torch.dtype
) -> torch.Tensor:
    """Return what :func:`attend` adds to the scores, (rows, 1, group x tokens, places): 0, or -inf where hidden.

    at: int64 (rows, tokens), places of the tokens; begins: (rows, 1), where each row's begin, all places before being
    seen; sees: bool (rows, tokens, tokens), which of them each token sees, or None: itself and those before it.
    """
    every = torch.arange(-(-places // ALIGNED) * ALIGNED, device=at.device)
    if sees is None:
        seen = every <= at[:, :, None]
    else:
        seen = (every < begins)[:, None].repeat(1, at.shape[1], 1)
        seen.scatter_(2, at[:, None].expand(-1, at.shape[1], -1), sees)
    added = torch.zeros((), device=at.device, dtype=dtype).where(seen, -torch.inf)
    return added[:, None].repeat(1, 1, group, 1)[..., :places]


@contextmanager
def attending(model: PreTrainedModel) -> Iterator[None]:
    """Let a model use :func:`attend` for as long as the context lasts."""
    ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
    config: Any = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
