"""What the tiny base learns from: prompts about people of synthetic cities that no protocol uses.

Every person's places are mirrored, turned and moved at random, so that the network learns to go by the records that it
reads and not by where a city lies. The prompt's parts and the answer's format are drawn anew for every batch. In half
of the examples some cells of the answer are read as other cells of the same person at that hour, as the model's own
wrong answers will be: what comes after a mistake is learned too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.sources.synthetic import Synthetic
from bench.trajectories import Trajectories
from bench.world import Calendar, Grid
from models.llama_mob.prompts.compile import UNKNOWN, Compiled, compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import AnswerFormat, Instruction
from models.llama_mob.tokens import Tokens

FIRST_SEED, HELD_OUT_SEED = 1000, 999_000
POOL, CITY_USERS, CITY_BATCHES = 3000, 100, 40  # users held at a time, drawn from one city, batches until the next
LAST_DAY = 74
FORMATS: tuple[AnswerFormat, ...] = ("d t x y", "x y", "minified", "json")
FORMAT_SHARES = (0.82, 0.06, 0.06, 0.06)
SEEN_WEIGHT, FILLER_WEIGHT = 0.5, 0.02  # of cells in the question, of known answer tokens; a cell to predict has 1
MISREAD = 0.5  # share of examples with misread answers, and of the points misread in them


@dataclass(frozen=True)
class Stage:
    """How long windows are until a share of training is done: fewest and most days seen, most days predicted."""

    until: float
    shortest: int
    longest: int
    horizon: int


STAGES = (Stage(0.08, 2, 6, 1), Stage(0.25, 3, 14, 2), Stage(0.80, 5, 28, 3), Stage(1.0, 12, 50, 8))


@dataclass
class Progress:
    """The share of training that is done; the trainer moves it."""

    share: float = 0.0


@dataclass(frozen=True)
class Example:
    """One prompt with its answer: ids as read, ids as targets, and the weight of each target."""

    read: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Right-padded ids (rows, length); where the next token is learned, its id and its weight."""

    ids: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    weights: Tensor


def batches(tokens: Tokens, rng: np.random.Generator, size: int, progress: Progress) -> Iterator[Batch]:
    """Yield batches of about ``size`` tokens, without end; window lengths follow the progress through STAGES."""
    pool: list[Trajectories] = []
    while True:
        seed = FIRST_SEED + int(rng.integers(HELD_OUT_SEED - FIRST_SEED))
        for city in "ABCD":
            table = Synthetic(seed=seed, users=CITY_USERS).load(city)
            pool = [table.of(user) for user in table.users] + pool[: POOL - CITY_USERS]
            for _ in range(CITY_BATCHES):
                yield _draw(pool, tokens, rng, size, progress.share)


def _draw(pool: list[Trajectories], tokens: Tokens, rng: np.random.Generator, size: int, share: float) -> Batch:
    stage = next(stage for stage in STAGES if share <= stage.until)
    days = round(float(np.exp(rng.uniform(np.log(stage.shortest), np.log(stage.longest)))))
    horizon = int(rng.integers(1, stage.horizon + 1))
    template = Template.build(parts(rng), Grid(), Calendar())
    examples: list[Example] = []
    while not examples or (len(examples) + 1) * max(len(one.read) for one in examples) <= size:
        person = moved(pool[int(rng.integers(len(pool)))], rng)
        first = int(rng.integers(0, LAST_DAY + 1 - days - horizon + 1))
        history = person.days(first, first + days - 1)
        truth = person.days(first + days, first + days + horizon - 1)
        if len(history) and len(truth):
            read = misread(history, truth, rng) if rng.random() < MISREAD else truth
            compiled = compile_prompt(template, tokens, history, truth.queries())
            examples.append(example(compiled, tokens, history, truth, read))
    return pack(examples)


def moved(table: Trajectories, rng: np.random.Generator) -> Trajectories:
    """Return a person's rows with the grid mirrored or turned, then moved to where all cells still fit."""
    x, y = table.x.astype(np.int64), table.y.astype(np.int64)
    x = 201 - x if rng.random() < 0.5 else x
    y = 201 - y if rng.random() < 0.5 else y
    if rng.random() < 0.5:
        x, y = y, x
    x = x + rng.integers(1 - x.min(), 201 - x.max())
    y = y + rng.integers(1 - y.min(), 201 - y.max())
    return replace(table, x=x.astype(np.int16), y=y.astype(np.int16))


def misread(history: Trajectories, truth: Trajectories, rng: np.random.Generator) -> Trajectories:
    """Return the truth with some cells replaced by one that the person was in at about that hour before."""
    x, y = truth.x.copy(), truth.y.copy()
    for i in np.flatnonzero(rng.random(len(truth)) < MISREAD):
        apart = np.abs(history.t.astype(int) - int(truth.t[i]))
        near = np.flatnonzero(apart <= max(2, int(apart.min())))
        chosen = near[int(rng.integers(len(near)))]
        x[i], y[i] = history.x[chosen], history.y[chosen]
    return replace(truth, x=x, y=y)


def parts(rng: np.random.Generator) -> Instruction:
    """Draw the parts of an instruction and the format of the answer."""
    answer = FORMATS[int(rng.choice(len(FORMATS), p=FORMAT_SHARES))]
    on = rng.random(6) < (0.7 if rng.random() < 0.4 else 0.0)
    reason, listed = bool(rng.random() < 0.1), bool(answer == "x y" or rng.random() < 0.5)
    names = ("role", "grid", "quadruple", "example", "weekdays", "holidays")
    return Instruction(answer=answer, reason=reason, listed=listed, **dict(zip(names, map(bool, on), strict=True)))


def example(
    compiled: Compiled, tokens: Tokens, history: Trajectories, truth: Trajectories, read: Trajectories
) -> Example:
    """Return what is read and learned of one person.

    The x to learn is the true one; the y to learn is that of the x which was read, so that the two stay one cell.
    """
    answer, targets = compiled.filled(read.x, read.y), compiled.filled(truth.x, read.y)
    weights = np.zeros(len(compiled.prompt))
    weights[seen_cells(compiled.prompt, tokens, history)] = SEEN_WEIGHT
    answer_weights = np.where(compiled.answer == UNKNOWN, 1.0, FILLER_WEIGHT)
    return Example(
        np.concatenate([compiled.prompt, answer]),
        np.concatenate([compiled.prompt, targets]),
        np.concatenate([weights, answer_weights]),
    )


def seen_cells(prompt: np.ndarray, tokens: Tokens, history: Trajectories) -> np.ndarray:
    """Return where the x and y of the history's records stand in a prompt: five tokens a record."""
    assert tokens.spaced is not None
    day, slot, x, y = tokens.numbers[history.d], *(tokens.spaced[c] for c in (history.t, history.x, history.y))
    first_turn = int(np.flatnonzero(prompt == tokens.end)[0])
    first = first_turn + int(
        np.flatnonzero((prompt[first_turn:-1] == day[0]) & (prompt[first_turn + 1 :] == slot[0]))[0]
    )
    places = first + 5 * np.arange(len(history))[:, None] + np.array([2, 3])
    assert np.array_equal(prompt[places], np.stack([x, y], axis=1)), "the records do not stand where they should"
    return places.ravel()


def pack(examples: list[Example]) -> Batch:
    """Pad examples to one length and list what is learned of them."""
    shape = len(examples), max(len(one.read) for one in examples)
    ids, targets, weights = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    for i, one in enumerate(examples):
        ids[i, : len(one.read)] = one.read
        targets[i, : len(one.read)], weights[i, : len(one.read)] = one.targets, one.weights
    rows, places = np.nonzero(weights)
    learned = ids, rows, places - 1, targets[rows, places], weights[rows, places]
    return Batch(*(torch.from_numpy(array) for array in learned))
