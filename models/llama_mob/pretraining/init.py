"""The tiny base's shape, and a start for its pretraining that already votes for cells by time of day.

From a random start a network of this size needs far more text than a CPU can read before it copies cells from a
person's own records at all. Here numbers begin as waves in their own parts of the width. The heads of the first layer
look one, two and three tokens back and write what stood there beside each token, so that every cell knows its timeslot
and day. The heads of the second layer then compare: the place before an unknown x attends to the x of records at a near
timeslot, on the same kind of day and weekday, recent ones first; the place before a y to the y of such records with the
same x; two more do so at records that are listed with 999 999. What they bring is read off by the output embeddings.
The other weights begin small, the third layer adds nothing yet, and then everything is trained.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from bench.data.world import Calendar
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.template import MASK

WIDTH, HEAD, THETA = 256, 64, 1e12  # a high rotary base: see FAST and SLOW
FAST, SLOW = 5, 12  # of a head's pairs the first 5 turn enough to tell tokens apart; from 12 on a prompt is no turn
CELLS, SLOTS, DAYS = 200, 48, 75
CODE, SLOT, DAY, MATCH = 64, 12, 8, 17  # how many numbers write a cell, a timeslot, a day, and a cell that is compared
WEEK, OFF, AGE = slice(0, 6), 6, 7  # of a day's numbers: its weekday; whether it is an off-day; when it was
ALWAYS, LENGTH = 2.0, 6.5  # what the constant part of an embedding holds; the squared length of every embedding

# What a match is worth, as logarithms of votes: those of kernel_vote for slot, weekday, kind of day and age (over 75
# days); the others are large enough to rule out what does not fit.
NEAR_SLOT, SAME_WEEKDAY, SAME_KIND, RECENT = 8.1, 0.6, 1.15, 2.5
SAME_X, RIGHT_ROLE, ANSWERED, NOWHERE, RIGHT_STEP = 10.0, 14.0, 20.0, 60.0, 21.0


def shape(tokens: Tokens) -> LlamaConfig:
    """Return the tiny base's shape: a small Llama with grouped queries."""
    return LlamaConfig(
        vocab_size=tokens.size,
        hidden_size=WIDTH,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=HEAD,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
        tie_word_embeddings=False,
        bos_token_id=tokens.begin,
        eos_token_id=tokens.end,
    )


class Parts:
    """Which part of the width holds what: of a token itself, then of those before it, then the votes."""

    def __init__(self) -> None:
        self.used = 0
        self.cell, slot, day = self._take(CODE), self._take(SLOT), self._take(DAY)
        self.always, self.rest, is_day, self.is_mask, self.is_first, self.is_answer = (self._take(1) for _ in range(6))
        # By how many tokens back they stand, 0 being the token itself.
        self.slot = [slot, *(self._take(SLOT) for _ in range(2))]
        self.day = [day, *(self._take(DAY) for _ in range(3))]
        self.is_day = [is_day, *(self._take(1) for _ in range(3))]
        self.match, self.answered, self.vote = self._take(MATCH), self._take(1), self._take(CODE)

    def _take(self, count: int) -> range:
        self.used += count
        return range(self.used - count, self.used)


class Heads:
    """The matrices of one attention while they are set. Rows are counted within a head, or a group of two.

    length: the squared length of what it reads, which is normalised first. A query ``asks`` with one weight for what a
    key ``has`` with another: their product with what both hold is added to the score.
    """

    def __init__(self, attention: nn.Module, length: float) -> None:
        self._attention, self._scale = attention, math.sqrt(WIDTH / length)
        names = ("q_proj", "k_proj", "v_proj", "o_proj")
        self._matrices = {name: torch.zeros_like(getattr(attention, name).weight) for name in names}

    def asks(self, head: int, row: int, dim: int, weight: float | Tensor) -> None:
        """Let a head's query take a number of the width."""
        self._matrices["q_proj"][head * HEAD + row, dim] += weight * HEAD**0.25 / self._scale

    def has(self, group: int, row: int, dim: int, weight: float | Tensor) -> None:
        """Let a group's key take a number of the width."""
        self._matrices["k_proj"][group * HEAD + row, dim] += weight * HEAD**0.25 / self._scale

    def carries(self, group: int, row: int, dim: int, weight: float | Tensor = 1.0) -> None:
        """Let a group's value take a number of the width."""
        self._matrices["v_proj"][group * HEAD + row, dim] += weight / self._scale

    def brings(self, head: int, row: int, dim: int) -> None:
        """Write what a head carries into the width."""
        self._matrices["o_proj"][dim, head * HEAD + row] = 1.0

    def put(self) -> None:
        """Set the attention, with a little noise that breaks ties."""
        for name, matrix in self._matrices.items():
            getattr(self._attention, name).weight.copy_(matrix + 0.002 * torch.randn_like(matrix))


def vote(model: LlamaForCausalLM, tokens: Tokens) -> None:
    """Set a fresh model of the tiny base's shape to the start described above, in place."""
    parts = Parts()
    projection = nn.init.orthogonal_(torch.empty(MATCH, CODE)) * math.sqrt(CODE / MATCH)
    with torch.no_grad():
        _embed(model, tokens, parts)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        first, second = (layer.self_attn for layer in model.model.layers[:2])
        _look_back(Heads(first, LENGTH), parts, projection)
        _compare(Heads(second, LENGTH + 4.0), parts, projection)  # the first layer has added about 4


def proximity_waves(values: Tensor) -> Tensor:
    """Return codes of cells, (n, CODE), whose inner products are about exp(-0.5 * distance), GEO-BLEU's proximity.

    Such codes are waves whose frequencies follow the kernel's spectrum (Rahimi and Recht, "Random Features for
    Large-Scale Kernel Machines", 2007): over whole numbers, a Cauchy distribution wrapped round the circle.
    """
    shares = (torch.arange(CODE // 2, dtype=torch.float64) + 0.5) / (CODE // 2)
    frequencies = 2 * torch.atan(math.tanh(0.25) * torch.tan(math.pi / 2 * shares))
    angles = values.double()[:, None] * frequencies
    return (torch.cat([angles.cos(), angles.sin()], dim=1) / math.sqrt(CODE // 2)).float()


def harmonics(values: Tensor, period: int, count: int) -> Tensor:
    """Return cosines and sines of the first harmonics of a period, (n, 2 * count), each row of length one."""
    angles = 2 * math.pi / period * values.double()[:, None] * torch.arange(1, count + 1)
    return (torch.cat([angles.cos(), angles.sin()], dim=1) / math.sqrt(count)).float()


def _embed(model: LlamaForCausalLM, tokens: Tokens, parts: Parts) -> None:
    """Write what tokens are: cells and timeslots (numbers with a space in front), days (bare ones), and marks."""
    assert tokens.spaced is not None
    read, written = model.model.embed_tokens.weight, model.lm_head.weight
    nn.init.normal_(read, std=0.02)
    nn.init.normal_(written, std=0.02)
    spaced, bare = torch.from_numpy(tokens.spaced), torch.from_numpy(tokens.numbers)
    numbers, days = torch.arange(1, CELLS + 1), torch.arange(DAYS)
    day = torch.zeros(DAYS, DAY)
    day[:, WEEK] = harmonics(days, 7, 3)
    day[:, OFF] = torch.from_numpy(Calendar().is_off(days.numpy())).float() - 0.5
    day[:, AGE] = days / DAYS
    read[:, : parts.used] = 0.0
    read[spaced[numbers], _all(parts.cell)] = proximity_waves(numbers)
    read[spaced[:SLOTS], _all(parts.slot[0])] = harmonics(torch.arange(SLOTS), SLOTS, SLOT // 2)
    read[bare[:DAYS], _all(parts.day[0])] = day
    read[bare, _all(parts.is_day[0])] = 1.0
    for token, mark in (
        (int(spaced[MASK]), parts.is_mask),
        (tokens.begin, parts.is_first),
        (tokens.encode("assistant")[0], parts.is_answer),
    ):
        read[token, mark[0]] = 1.0
    read[:, parts.always[0]] = ALWAYS
    read[:, parts.rest[0]] = (LENGTH - read.square().sum(dim=1)).clamp(min=0.0).sqrt()
    for ids, bias in ((spaced, 0.3), (bare, -0.7)):
        written[ids[numbers], _all(parts.vote)] = 3.0 * proximity_waves(numbers)
        written[ids[numbers], parts.always[0]] = bias


def _all(part: range) -> slice:
    return slice(part.start, part.stop)


def _look_back(heads: Heads, parts: Parts, projection: Tensor) -> None:
    """Set heads that look 1, 2 and 3 tokens back, and a fourth that knows whether the answer has begun."""
    turns = (THETA ** (-torch.arange(FAST, dtype=torch.float64) * 2 / HEAD)).float()
    one, step = 1 / ALWAYS, math.sqrt(RIGHT_STEP)
    always, (is_answer,) = parts.always[0], parts.is_answer
    for head, back in enumerate((1, 2, 3)):
        for pair, turn in enumerate(turns):
            heads.asks(head, pair, always, one * step * (turn * back).cos())
            heads.asks(head, HEAD // 2 + pair, always, -one * step * (turn * back).sin())
    for group in (0, 1):
        for pair in range(FAST):
            heads.has(group, pair, always, one * step)
    heads.asks(3, SLOW, always, one)
    heads.has(1, SLOW, is_answer, 40.0)
    heads.has(1, SLOW, parts.is_first[0], 20.0)
    day = [*parts.day[0], *parts.is_day[0]]
    carried = ([*parts.slot[0], *day], [*day, is_answer])
    rows = [{dim: row for row, dim in enumerate(dims)} for dims in carried]
    for group, dims in enumerate(carried):
        for dim in dims:
            heads.carries(group, rows[group][dim], dim)
    for head, back in enumerate((1, 2, 3)):
        targets = dict(zip(day, [*parts.day[back], *parts.is_day[back]], strict=True))
        if back < 3:
            targets |= dict(zip(parts.slot[0], parts.slot[back], strict=True))
        for dim, target in targets.items():
            heads.brings(head, rows[head // 2][dim], target)
    heads.brings(3, rows[1][is_answer], parts.answered[0])
    for row, (target, weights) in enumerate(zip(parts.match, projection, strict=True), start=len(carried[0])):
        for dim, weight in zip(parts.cell, weights, strict=True):
            heads.carries(0, row, dim, weight)
        heads.brings(0, row, target)
    heads.put()


def _compare(heads: Heads, parts: Parts, projection: Tensor) -> None:
    """Set heads that bring the x, or the y, of like records: before an answer's number, and at a listed one."""
    slow = [*range(SLOW, HEAD // 2), *range(HEAD // 2 + SLOW, HEAD)]
    slow.sort(key=lambda row: -(row % (HEAD // 2)))  # slots and weekdays, that matter most, take the slowest pairs
    counts = {"slot": SLOT, "week": 6, "off": 1, "age": 1, "role": 1, "sink": 1, "answered": 1, "match": MATCH}
    rows = {name: [slow.pop(0) for _ in range(count)] for name, count in counts.items()}
    always, one = parts.always[0], 1 / ALWAYS

    def alike(slot: range, day: range) -> list[tuple[int, int, float]]:
        """Return (row, number, weight) of what is compared: query and key take it with the same weight."""
        found = [(row, dim, math.sqrt(NEAR_SLOT)) for row, dim in zip(rows["slot"], slot, strict=True)]
        found += [(row, dim, math.sqrt(SAME_WEEKDAY)) for row, dim in zip(rows["week"], day[WEEK], strict=True)]
        return [*found, (rows["off"][0], day[OFF], 2 * math.sqrt(SAME_KIND))]

    for group, back in enumerate((1, 2)):  # an x stands one token after its timeslot, a y two
        for row, dim, weight in alike(parts.slot[back], parts.day[back + 1]):
            heads.has(group, row, dim, weight)
        heads.has(group, rows["age"][0], parts.day[back + 1][AGE], 1.0)
        heads.has(group, rows["role"][0], parts.is_day[back + 1][0], 1.0)
        heads.has(group, rows["role"][0], parts.is_mask[0], -2.0)
        heads.has(group, rows["sink"][0], parts.is_first[0], 1.0)
        heads.has(group, rows["answered"][0], parts.answered[0], -1.0)
        for row, dim in enumerate(parts.cell):
            heads.carries(group, row, dim)
    for row, dim in zip(rows["match"], parts.match, strict=True):
        heads.has(1, row, dim, math.sqrt(SAME_X))
    # Before an x; at a listed x; before a y; at a listed y: how many tokens back the timeslot stands.
    for head, (back, listed) in enumerate(((0, False), (1, True), (1, False), (2, True))):
        for row, dim, weight in alike(parts.slot[back], parts.day[back + 1]):
            heads.asks(head, row, dim, weight)
        for name, weight in (("age", RECENT), ("role", RIGHT_ROLE), ("answered", ANSWERED)):
            heads.asks(head, rows[name][0], always, weight * one)
        # The prompt's first token, which carries nothing, is where a head looks that has nothing to do at a place.
        (sink,) = rows["sink"]
        heads.asks(head, sink, always, NOWHERE * (2 if listed else 1) * one)
        heads.asks(head, sink, parts.is_day[back + 1][0], -NOWHERE)
        heads.asks(head, sink, parts.is_mask[0], -NOWHERE if listed else 2 * NOWHERE)
        for row, dim in enumerate(parts.vote):
            heads.brings(head, row, dim)
    for row, weights in zip(rows["match"], projection, strict=True):
        for dim, weight in zip(parts.cell, weights, strict=True):
            heads.asks(2, row, dim, weight * math.sqrt(SAME_X))
    heads.put()
