"""LP-BERT as a torch module: summed embeddings, a post-norm encoder, one head for x and one for y.

The arithmetic is the published one; what is computed is less. Users are packed one behind the other without padding, so
that an answer cannot depend on its batch; the last layer asks, and the heads answer, only where a cell is masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

DAYS, SLOTS, PLACES, GAPS = 76, 49, 202, 48  # sizes of the embeddings; 0 pads
MASK = 201  # stands for a hidden x or y
CELLS = 200
# Not cuDNN's attention, which plans anew for every length, tens of milliseconds each time.
KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True)
class Shape:
    """Sizes of the encoder; the defaults are the published ones. ``cities`` > 0 adds a city embedding."""

    width: int = 128
    layers: int = 4
    heads: int = 8
    hidden: int = 2048
    bottleneck: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.0
    cities: int = 0


@dataclass(frozen=True)
class Batch:
    """Users packed one behind the other.

    tokens: int64 (5, N): day, slot, x, y, gap. asked: int64 (M,), the rows to predict, increasing. lengths, asks: rows
    and asked rows of each user. city: int64 (M,), the city's number at each asked row. labels: int64 (M, 2), x and y
    from 0, or None.
    """

    tokens: Tensor
    asked: Tensor
    lengths: tuple[int, ...]
    asks: tuple[int, ...]
    city: Tensor
    labels: Tensor | None = None

    def to(self, device: str) -> Batch:
        """Return the batch on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        moved = (self.tokens.to(device), self.asked.to(device), self.lengths, self.asks, self.city.to(device))
        return Batch(*moved, labels)


class DroppedRelu(torch.autograd.Function):
    """ReLU and a random mask, unscaled, that keeps only its output: what is zero there passes no gradient back."""

    @staticmethod
    def forward(ctx, x: Tensor, rate: float) -> Tensor:  # type: ignore[no-untyped-def] # noqa: D102
        out = x.relu().mul_(kept(x, rate))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def] # noqa: D102
        return torch.ops.aten.threshold_backward(grad, ctx.saved_tensors[0], 0), None


def kept(x: Tensor, rate: float) -> Tensor:
    """Return a random boolean mask like ``x``, true with probability 1 - rate (to 2**-16)."""
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    return (words.view(torch.int16)[: x.numel()] >= round(rate * 65536) - 32768).view(x.shape)


class Layer(nn.Module):
    """One post-norm encoder layer: attention, then feed-forward, each added to its input and normalised."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.rate, self.attention_rate = shape.heads, shape.dropout, shape.attention_dropout
        self.fed = True  # False leaves the feed-forward out: pretraining's first stage
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.wide = nn.Linear(shape.width, shape.hidden)
        self.narrow = nn.Linear(shape.hidden, shape.width)
        self.norm1, self.norm2 = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, batch: Batch, last: bool) -> Tensor:
        """Return (N, width), or (M, width) for the asked rows alone in the last layer."""
        rate = self.rate if self.training else 0.0
        if last:
            q_weight, kv_weight = self.qkv.weight.split([x.shape[1], 2 * x.shape[1]])
            q_bias, kv_bias = self.qkv.bias.split([x.shape[1], 2 * x.shape[1]])
            k, v = F.linear(x, kv_weight, kv_bias).chunk(2, dim=1)
            x = x[batch.asked]
            q = F.linear(x, q_weight, q_bias)
        else:
            q, k, v = self.qkv(x).chunk(3, dim=1)
        dropped = self.attention_rate if self.training else 0.0
        mixed = attend(q, k, v, batch.asks if last else batch.lengths, batch.lengths, self.heads, dropped)
        x = self.norm1(x + F.dropout(self.out(mixed), rate, self.training))
        if not self.fed:
            return self.norm2(x)
        return self.norm2(x + F.dropout(self.feed_forward(x, rate), rate, self.training))

    def feed_forward(self, x: Tensor, rate: float) -> Tensor:
        """Return narrow(dropout(relu(wide(x)))); dropout's scale is applied to the narrow side, a 16th."""
        if not rate:
            parts = (x,) if torch.is_grad_enabled() else x.split(512)  # so many rows of the wide side stay in the cache
            return torch.cat([self.narrow(self.wide(part).relu()) for part in parts])
        wide = DroppedRelu.apply(self.wide(x), rate)
        return F.linear(wide, self.narrow.weight) / (1 - rate) + self.narrow.bias


def attend(
    q: Tensor, k: Tensor, v: Tensor, asks: Sequence[int], lengths: Sequence[int], heads: int, dropout: float = 0.0
) -> Tensor:
    """Let each user's rows attend to the user's own rows; q (M, width), k and v (N, width) -> (M, width).

    The fused kernel runs once a user. The CPU's has no dropout on attention weights: with some, a slower one runs.
    """
    size = q.shape[1] // heads

    def split(rows: Tensor) -> Tensor:
        return rows.view(1, len(rows), heads, size).transpose(1, 2)

    if q.device.type == "cpu":  # its kernel's backward pass is seven times slower in bfloat16
        q, k, v = q.float(), k.float(), v.float()
    rows = zip(q.split(list(asks)), k.split(list(lengths)), v.split(list(lengths)), strict=True)
    with torch.autocast(q.device.type, enabled=False), sdpa_kernel(KERNELS):
        mixed = [F.scaled_dot_product_attention(split(a), split(b), split(c), dropout_p=dropout) for a, b, c in rows]
    return torch.cat([part.transpose(1, 2).reshape(-1, heads * size) for part in mixed])


class Head(nn.Module):
    """From the encoder's width through a narrow layer to a score per cell of one axis."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(shape.width, shape.bottleneck), nn.Linear(shape.bottleneck, CELLS)

    def forward(self, rows: Tensor) -> Tensor:
        """Return float (rows, 200)."""
        return self.wide(self.narrow(rows).relu()).float()


class LPBert(nn.Module):
    """The published network: 2,456,880 parameters in its default shape."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        w = self.shape.width
        self.day, self.slot = nn.Embedding(DAYS, w), nn.Embedding(SLOTS, w)
        self.x, self.y = nn.Embedding(PLACES, w), nn.Embedding(PLACES, w)
        self.gap = nn.Embedding(GAPS, w)
        self.layers = nn.ModuleList(Layer(self.shape) for _ in range(self.shape.layers))
        self.city = nn.Embedding(self.shape.cities, w) if self.shape.cities else None
        self.head_x, self.head_y = Head(self.shape), Head(self.shape)

    def repeat_first_layer(self) -> LPBert:
        """Let all layers begin as copies of the first, as torch's TransformerEncoder in the public code does."""
        for layer in self.layers[1:]:
            layer.load_state_dict(self.layers[0].state_dict())
        return self

    def encoder(self) -> list[Layer]:
        """Return the encoder's layers, in order."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits of x and of y at the asked rows, each float (M, 200)."""
        day, slot, x, y, gap = batch.tokens
        rows = self.day(day) + self.slot(slot) + self.x(x) + self.y(y) + self.gap(gap)
        *layers, last = self.encoder()
        for layer in layers:
            rows = layer(rows, batch, last=False)
        rows = last(rows, batch, last=True)
        if self.city is not None:
            rows = rows + self.city(batch.city)
        return self.head_x(rows), self.head_y(rows)
