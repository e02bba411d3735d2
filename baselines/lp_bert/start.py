"""A start for pretraining that already votes: embeddings and first layer set so that history is copied by time of day.

From a random start the network needs hundreds of thousands of users before it copies cells from a user's own history at
all. Here places, slots and days begin as sines and cosines in their own parts of the width; the first layer's heads
attend to rows at a near slot (and of the same day type, weekday or time) and add up what stood there; the next two
layers' heads attend to rows whose place is near that sum, which draws it to a place that was visited; the last heads
read it off. Then everything is trained. Shapes and counts are the published ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.lp_bert.model import CELLS, MASK, Head, Layer, LPBert
from bench.data.world import Calendar

PERIODS = (420.0, 201.0, 95.8, 45.8, 21.9, 10.4, 4.99, 2.38)  # of the waves that write a place, in cells
VOTE, OWN, SLOT, WEEK, OFF, AGE, SEEN, FREE = 0, 32, 64, 88, 94, 95, 99, 100  # where each part of the width begins
VOTED, SNAPS, HEADED = 0.442, ((2.699, 1.354), (2.706, 0.787)), 0.5
# What a pair of heads matches, and how strongly: slot, off-day, weekday, time. These figures, like those above, were
# found by a random search on synthetic users of seeds that nothing else uses.
PATTERNS = ((3.63, 3.52, 1.47, 1.36), (1.59, 2.71, 0.39, 0.54), (2.48, 2.7, 0.83, 0.91), (2.33, 0.78, 0.59, 1.97))


def waves(values: Tensor, periods: tuple[float, ...]) -> Tensor:
    """Return cosines and sines of the values, (n, 2 * periods)."""
    angles = 2 * math.pi * values[:, None].double() / torch.tensor(periods, dtype=torch.float64)
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()


def vote(model: LPBert) -> None:
    """Set a model of the published shape to the start described above, in place."""
    layers = model.encoder()
    with torch.no_grad():
        _embeddings(model)
        _votes(layers[0])
        for layer, (heat, strength) in zip(layers[1:-1], SNAPS, strict=True):
            _snaps(layer, heat, strength)
        layers[-1].out.weight *= 0.2
        for layer in layers:
            nn.init.zeros_(layer.narrow.weight)
            nn.init.zeros_(layer.narrow.bias)
        for head, begin in ((model.head_x, VOTE), (model.head_y, VOTE + 16)):
            _head(head, begin)


def _embeddings(model: LPBert) -> None:
    for table in (model.day, model.slot, model.x, model.y, model.gap):
        nn.init.normal_(table.weight, std=0.05)
        table.weight[:, :FREE] = 0.0
    for table, begin in ((model.x, OWN), (model.y, OWN + 16)):
        table.weight[1:MASK, begin : begin + 16] = waves(torch.arange(1, MASK), PERIODS)
        table.weight[1:MASK, SEEN] = 1.0
    model.slot.weight[1:, SLOT : SLOT + 24] = waves(torch.arange(48), tuple(48 / k for k in range(1, 13)))
    days = torch.arange(75)
    model.day.weight[1:, WEEK : WEEK + 6] = waves(days, (7.0, 7 / 2, 7 / 3))
    model.day.weight[1:, OFF] = torch.from_numpy(Calendar().is_off(days.numpy())).float() * 2 - 1
    model.day.weight[1:, AGE : AGE + 4] = waves(days, (150.0, 60.0))


def _votes(layer: Layer) -> None:
    slots = [SLOT + k for k in (0, 1, 2, 3, 5, 12, 13, 14, 15, 17)]
    parts = (slots, [OFF], [WEEK, WEEK + 3], [AGE, AGE + 2])
    asked = [
        [(dim, dim, weight) for dims, weight in zip(parts, pattern, strict=True) for dim in dims]
        for pattern in PATTERNS
    ]
    _heads(layer, asked, VOTED)


def _snaps(layer: Layer, heat: float, strength: float) -> None:
    groups = [(0, 2, 4, 6), (1, 3, 5, 7), (0, 1, 2, 3), (4, 5, 6, 7)]
    waves_of = [[axis + part + k for axis in (0, 16) for part in (0, 8) for k in group] for group in groups]
    _heads(layer, [[(VOTE + dim, OWN + dim, heat) for dim in dims] for dims in waves_of], strength)


def _heads(layer: Layer, asked: list[list[tuple[int, int, float]]], strength: float) -> None:
    """Let each pair of heads match (query part, key part, weight) and copy x and y of what matches into the vote."""
    width = layer.out.weight.shape[0]
    size = width // layer.heads
    query, key, value, out = (torch.zeros(width, width) for _ in range(4))
    bias = torch.zeros(3 * width)
    for head in range(layer.heads):
        pattern, axis = divmod(head, 2)
        rows = range(head * size, (head + 1) * size)
        for row, (asks, has, weight) in zip(rows, asked[pattern], strict=False):
            query[row, asks] = key[row, has] = weight
        if len(asked[pattern]) < size:
            bias[rows[-1]] = 4.0  # every query wants rows whose place is seen
            key[rows[-1], SEEN] = 3.0
        for row, part in zip(rows, range(axis * 16, axis * 16 + 16), strict=True):
            value[row, OWN + part] = 1.0
            out[VOTE + part, row] = strength
    layer.qkv.weight.copy_(torch.cat([query, key, value]) + 0.02 * torch.randn(3 * width, width))
    layer.qkv.bias.copy_(bias)
    layer.out.weight.copy_(out + 0.02 * torch.randn(width, width))


def _head(head: Head, begin: int) -> None:
    head.narrow.weight.zero_()
    head.narrow.weight[torch.arange(16), torch.arange(begin, begin + 16)] = 1.0
    head.narrow.bias.fill_(2.5)  # keeps the ReLU in its linear part
    head.wide.weight.copy_(HEADED * waves(torch.arange(1, CELLS + 1), PERIODS))
    head.wide.bias.copy_(-2.5 * head.wide.weight.sum(dim=1))
