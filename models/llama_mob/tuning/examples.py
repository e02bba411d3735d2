"""Training examples: which users, which days of theirs, and the tokens of prompt and answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import UNKNOWN, Compiled, compile_prompt
from models.llama_mob.prompts.template import MASK, Template
from models.llama_mob.settings import LlamaMobSettings

User = tuple[str, int]
POOL = 16  # batches whose users are sorted by length together: more waste less padding and shuffle less


@dataclass(frozen=True)
class Example:
    """One user's prompt as read, int32 ids; the places that predict, the ids they should, and which are numbers."""

    ids: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    numbers: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Padded ids (rows, length); of each learned token the flat place that predicts it, its id, if it is a number."""

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
    table: Trajectories, template: Template, tokens: Tokens, settings: LlamaMobSettings, ctx: Context, windows: int = 1
) -> list[Example]:
    """Return an example for each user and window that has rows on both sides."""
    make, made = placed if settings.one_pass else answered, []
    for history, truth in stretches(table, ctx.window, windows):
        known = set(history.users)
        for user in truth.users:
            if user in known:
                seen, true = recent(history.of(user), settings.history_days), truth.of(user)
                rng = ctx.rng("llama_mob", "misread", *user, int(true.d[0]))
                made.append(make(template, tokens, seen, true, misread(seen, true, settings.misread, rng)))
    return made


def recent(history: Trajectories, days: int | None) -> Trajectories:
    """Return the last days of a user's history, counted from the last one with a row; all where days is None."""
    return history if days is None or not len(history) else history.take(history.d > history.d.max() - days)


def misread(history: Trajectories, truth: Trajectories, share: float, rng: np.random.Generator) -> Trajectories:
    """Return the truth with a share of cells replaced by one that the person was in at about that hour before."""
    x, y = truth.x.copy(), truth.y.copy()
    for i in np.flatnonzero(rng.random(len(truth)) < share):
        apart = np.abs(history.t.astype(int) - int(truth.t[i]))
        near = np.flatnonzero(apart <= max(2, int(apart.min())))
        chosen = near[int(rng.integers(len(near)))]
        x[i], y[i] = history.x[chosen], history.y[chosen]
    return replace(truth, x=x, y=y)


def answered(
    template: Template, tokens: Tokens, history: Trajectories, truth: Trajectories, read: Trajectories
) -> Example:
    """Compile one user's prompt and answer; each token of the answer is learned at the one before it.

    The x to learn is the true one; the y to learn is that of the x which was read, so that the two stay one cell.
    """
    compiled = compile_prompt(template, tokens, history, truth.queries())
    ids = np.concatenate([compiled.prompt, compiled.filled(read.x, read.y)]).astype(np.int32)
    places = np.arange(len(compiled.prompt), len(ids)) - 1
    return Example(ids, places, compiled.filled(truth.x, read.y), compiled.answer == UNKNOWN)


def placed(
    template: Template, tokens: Tokens, history: Trajectories, truth: Trajectories, _read: Trajectories
) -> Example:
    """Compile one user's prompt alone; the cells are learned at their own places 999 999 in the question."""
    compiled = compile_prompt(template, tokens, history, truth.queries())
    places = placeholders(compiled, tokens, len(truth))
    targets = np.stack([compiled.tables[0, truth.x], compiled.tables[1, truth.y]], axis=1).ravel()
    return Example(compiled.prompt.astype(np.int32), places, targets, np.ones(len(places), bool))


def placeholders(compiled: Compiled, tokens: Tokens, queries: int) -> np.ndarray:
    """Return where 999 stands in a prompt for the x and y of each query, int64 (2n,): its last 2n such tokens."""
    hidden = tokens.numbers if tokens.spaced is None else tokens.spaced
    found = np.flatnonzero(compiled.prompt == hidden[MASK])
    return found[len(found) - 2 * queries :]


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
    for row, one in enumerate(chosen):
        ids[row, : len(one.ids)] = one.ids
    places = np.concatenate([row * length + one.places for row, one in enumerate(chosen)])
    targets, numbers = (np.concatenate([getattr(one, name) for one in chosen]) for name in ("targets", "numbers"))
    return Batch(*(torch.from_numpy(array) for array in (ids, places, targets, numbers)))
