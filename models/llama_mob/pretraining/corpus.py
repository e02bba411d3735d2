"""What the tiny base learns from: prompts about people of synthetic cities that no protocol uses.

Every person's places are mirrored, turned and moved at random, so that the network learns to go by the records that it
reads and not by where a city lies. The prompt's parts and the answer's format are drawn anew for every batch. In the
answer, each cell is read as one that the person was in at about that hour before, drawn anew, whatever the truth is: a
small network that reads true answers learns to repeat the last one, and writing by itself it then stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from bench.training import heldout
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import AnswerFormat, Instruction
from models.llama_mob.tuning.examples import Batch, Example, answered, noisy, pack, placed

POOL, CITY_USERS, CITY_TOKENS = 3000, 100, 400_000  # users held at a time, drawn from one city, read until the next
AHEAD = 4  # batches whose examples are drawn together and sorted by length, so that little is padding
LAST_DAY = 74
FORMATS: tuple[AnswerFormat, ...] = ("d t x y", "x y", "minified", "json")
FORMAT_SHARES = (0.76, 0.08, 0.08, 0.08)
LISTED_WEIGHT, TEMPLATE_WEIGHT = 0.5, 0.02  # of listed cells, of known answer tokens
DAYS_SEEN, DAYS_ASKED = (5, 60), (1, 15)  # fewest and most of an example; between them long ones are rarer
WHOLE_SHARE = 0.3  # of the draws with as many days as there are


def batches(tokens: Tokens, rng: np.random.Generator, size: int) -> Iterator[Batch]:
    """Yield batches of about ``size`` tokens, without end."""
    pool: list[Trajectories] = []
    while True:
        seed = heldout.draw_seed(rng)
        for city in "ABCD":
            table = Synthetic(seed=seed, users=CITY_USERS).load(city)
            pool = [table.of(user) for user in table.users] + pool[: POOL - CITY_USERS]
            for _ in range(max(1, CITY_TOKENS // (AHEAD * size))):
                drawn = _draw(pool, tokens, rng, AHEAD * size)
                sorted_ones = list(_cut(sorted(drawn, key=lambda one: len(one.ids)), size))
                for i in rng.permutation(len(sorted_ones)):
                    yield pack(sorted_ones[i])


def _draw(pool: list[Trajectories], tokens: Tokens, rng: np.random.Generator, size: int) -> list[Example]:
    """Draw examples of one kind, ``size`` tokens in all: the same window's length, prompt and format."""
    days, horizon = _log_uniform(rng, *DAYS_SEEN), _log_uniform(rng, *DAYS_ASKED)
    if rng.random() < WHOLE_SHARE:
        days, horizon = DAYS_SEEN[1], DAYS_ASKED[1]
    template = Template.build(parts(rng), Grid(), Calendar())
    examples: list[Example] = []
    while sum(len(one.ids) for one in examples) < size:
        person = moved(pool[int(rng.integers(len(pool)))], rng)
        first = int(rng.integers(0, LAST_DAY + 1 - days - horizon + 1))
        history = person.days(first, first + days - 1)
        truth = person.days(first + days, first + days + horizon - 1)
        if len(history) and len(truth):
            examples.append(example(template, tokens, history, truth, noisy(history, truth, 1.0, rng)))
    return examples


def _cut(examples: list[Example], size: int) -> Iterator[list[Example]]:
    """Cut examples, short ones first, into lists of at most ``size`` tokens with their padding, or of one."""
    now: list[Example] = []
    for one in examples:
        if now and (len(now) + 1) * len(one.ids) > size:
            yield now
            now = []
        now.append(one)
    yield now


def _log_uniform(rng: np.random.Generator, least: int, most: int) -> int:
    return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))


def moved(table: Trajectories, rng: np.random.Generator) -> Trajectories:
    """Return a person's rows, mirrored, turned and moved at random."""
    x, y = heldout.moved(table.x, table.y, rng)
    return replace(table, x=x.astype(np.int16), y=y.astype(np.int16))


def parts(rng: np.random.Generator) -> Instruction:
    """Draw the parts of an instruction and the format of the answer."""
    answer = FORMATS[int(rng.choice(len(FORMATS), p=FORMAT_SHARES))]
    on = rng.random(6) < (0.7 if rng.random() < 0.4 else 0.0)
    reason, listed = bool(rng.random() < 0.1), bool(answer == "x y" or rng.random() < 0.5)
    names = ("role", "grid", "quadruple", "example", "weekdays", "holidays")
    return Instruction(answer=answer, reason=reason, listed=listed, **dict(zip(names, map(bool, on), strict=True)))


def example(
    template: Template, tokens: Tokens, history: Trajectories, truth: Trajectories, read: Trajectories
) -> Example:
    """Return what is read and learned of one person.

    In the answer, the x to learn is the true one; the y to learn is that of the x which was read, so that the two stay
    one cell. Where records to predict are listed, their places 999 999 learn the true cells too, for models that
    answer all in one pass (llama_mob_parallel); these predict at their own place, all others the token that follows.
    """
    compiled = compile_prompt(template, tokens, history, truth.queries())
    answer = answered(compiled, truth, read, template_weight=TEMPLATE_WEIGHT)
    if not template.listed:
        return answer
    listed = placed(compiled, tokens, truth)
    listed = replace(listed, weights=listed.weights * LISTED_WEIGHT)
    names = ("places", "targets", "numbers", "begins", "weights")
    joined = {name: np.concatenate([getattr(listed, name), getattr(answer, name)]) for name in names}
    return replace(answer, **joined)
