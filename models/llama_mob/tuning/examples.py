"""Training examples: which users, which days of theirs, and the tokens of prompt and answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.adapter import Context
from bench.errors import UserError
from bench.trajectories import Trajectories
from bench.world import Window
from models.llama_mob.prompts.compile import UNKNOWN, compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tokens import Tokens

User = tuple[str, int]
POOL = 16  # batches whose users are sorted by length together: more waste less padding and shuffle less


@dataclass(frozen=True)
class Example:
    """Prompt and answer of one user as int32 ids; ``answer``: where it begins; ``slots``: where its numbers stand."""

    ids: np.ndarray
    answer: int
    slots: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Right-padded ids (rows, length), and for each learned token: the flat place before it, its id, is it a number."""

    ids: Tensor
    places: Tensor
    targets: Tensor
    numbers: Tensor


def choose(users: Sequence[User], settings: LlamaMobSettings, ctx: Context) -> list[User]:
    """Return the users to learn from, in an order of their own hashes: fewer trajectories are among more.

    With a mix the shares hold: the total shrinks to what the scarcest city allows. Raises UserError for a city of the
    mix without users.
    """
    by_city: dict[str, list[User]] = defaultdict(list)
    for user in sorted(users, key=lambda user: ctx.seed_for("llama_mob", "trajectory", *user)):
        by_city[user[0]].append(user)
    wanted = len(users) if settings.trajectories is None else min(settings.trajectories, len(users))
    if settings.mix is None:
        everyone = sorted(users, key=lambda user: ctx.seed_for("llama_mob", "trajectory", *user))
        return everyone[:wanted]
    counts = _counts({city: len(found) for city, found in by_city.items()}, settings.mix, wanted)
    return [user for city, count in counts.items() for user in by_city[city][:count]]


def _counts(there: Mapping[str, int], mix: Mapping[str, float], wanted: int) -> dict[str, int]:
    """Return how many users each city gives."""
    shares = {city: share / sum(mix.values()) for city, share in mix.items() if share > 0}
    missing = sorted(set(shares) - set(there))
    if missing:
        known = ", ".join(sorted(there)) or "none"
        raise UserError(f"llama_mob: mix names the city {missing[0]}, without training users; those with some: {known}")
    total = min(wanted, *(there[city] / share for city, share in shares.items()))
    return {city: min(there[city], round(total * share)) for city, share in shares.items()}


def stretches(table: Trajectories, window: Window, windows: int) -> Iterator[tuple[Trajectories, Trajectories]]:
    """Yield (history, truth) of all users: the case's window, then windows earlier by whole horizons.

    Where the rows end before the horizon does, the last window ends with them.
    """
    if not len(table):
        return
    last = min(window.horizon[1], int(table.d.max()))
    for end in range(last, last - windows * window.horizon_days, -window.horizon_days):
        begin = end - window.horizon_days + 1
        yield table.days(begin - window.history_days, begin - 1), table.days(begin, end)


def examples(
    table: Trajectories, window: Window, template: Template, tokens: Tokens, settings: LlamaMobSettings
) -> list[Example]:
    """Return an example for each user and window that has rows on both sides."""
    made = []
    for history, truth in stretches(table, window, settings.windows):
        known = set(history.users)
        for user in truth.users:
            if user in known:
                seen = recent(history.of(user), settings.history_days)
                made.append(example(template, tokens, seen, truth.of(user)))
    return made


def recent(history: Trajectories, days: int | None) -> Trajectories:
    """Return the last days of a user's history, counted from the last one with a row; all where days is None."""
    return history if days is None or not len(history) else history.take(history.d > history.d.max() - days)


def example(template: Template, tokens: Tokens, history: Trajectories, truth: Trajectories) -> Example:
    """Compile one user's prompt with the true answer in it."""
    compiled = compile_prompt(template, tokens, history, truth.queries())
    ids = np.concatenate([compiled.prompt, compiled.filled(truth.x, truth.y)]).astype(np.int32)
    return Example(ids, len(compiled.prompt), len(compiled.prompt) + np.flatnonzero(compiled.answer == UNKNOWN))


def groups(lengths: Sequence[int], size: int, rng: np.random.Generator | None = None) -> list[np.ndarray]:
    """Return indices of ``size`` examples of similar length, in random order; sorted and in order without an rng."""
    by_length = np.asarray(lengths)
    if rng is None:
        order = np.argsort(by_length, kind="stable")
        return np.split(order, range(size, len(order), size)) if len(order) else []
    order, pool = rng.permutation(len(by_length)), size * POOL
    pools = [
        part[np.argsort(by_length[part], kind="stable")] for part in np.split(order, range(pool, len(order), pool))
    ]
    found = [group for part in pools for group in np.split(part, range(size, len(part), size)) if len(group)]
    return [found[i] for i in rng.permutation(len(found))]


def pack(chosen: Sequence[Example]) -> Batch:
    """Pad to the longest on the right: causal attention never looks there, so no mask is needed."""
    length = max(len(example.ids) for example in chosen)
    ids = np.zeros((len(chosen), length), np.int64)
    learned, numbers = np.zeros((2, len(chosen), length), bool)
    for row, one in enumerate(chosen):
        ids[row, : len(one.ids)] = one.ids
        learned[row, one.answer : len(one.ids)] = True
        numbers[row, one.slots] = True
    places = np.flatnonzero(learned)
    arrays = (ids, places - 1, ids.ravel()[places], numbers.ravel()[places])
    return Batch(*(torch.from_numpy(array) for array in arrays))
