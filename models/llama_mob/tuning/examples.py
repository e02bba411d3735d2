"""Training examples: which users, which days of theirs, and the tokens of prompt and answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob.base.layouts import Turn
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import UNKNOWN, Compiled, compile_prompt, history_numbers
from models.llama_mob.prompts.shots import recent
from models.llama_mob.prompts.template import MASK, Template
from models.llama_mob.settings import LlamaMobSettings

User = tuple[str, int]


@dataclass(frozen=True)
class Example:
    """One user's text as read, int32 ids; the places that predict, and the ids that they should.

    numbers: which of these write cells to answer, and begins: which of those begin a number, both bool; weights:
    float32, of each in the loss.
    """

    ids: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    numbers: np.ndarray
    begins: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Examples padded on the right to one length: ids (rows, length), flat places, and the rest as in an example."""

    ids: Tensor
    places: Tensor
    targets: Tensor
    numbers: Tensor
    begins: Tensor
    weights: Tensor

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))


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
    table: Trajectories, template: Template, tokens: Tokens, settings: LlamaMobSettings, ctx: Context, windows: int = 1,
    told: Sequence[Turn] = (),
) -> list[Example]:  # fmt: skip
    """Return an example for each user and window that has rows on both sides; told: turns before each question."""
    made = []
    for history, truth in stretches(table, ctx.window, windows):
        known = set(history.users)
        for user in truth.users:
            if user in known:
                seen, true = recent(history.of(user), settings.history_days), truth.of(user)
                compiled = compile_prompt(template, tokens, seen, true.queries(), told)
                if settings.one_pass:
                    made.append(placed(compiled, tokens, true))
                    continue
                if settings.input_noise and not tokens.single:
                    raise UserError("llama_mob: numbers in digits are learned from true ones: set input_noise to 0")
                rng = ctx.rng("llama_mob", "input noise", *user, int(true.d[0]))
                read, whole = noisy(seen, true, settings.input_noise, rng), settings.loss == "conversation"
                example = answered(compiled, true, read, template_weight=settings.template_loss_weight, whole=whole)
                if settings.history_loss_weight:
                    of_history = history_numbers(template, tokens, seen, true.queries(), told)
                    example = with_history(example, of_history, settings.history_loss_weight)
                made.append(example)
    return made


def noisy(history: Trajectories, truth: Trajectories, share: float, rng: np.random.Generator) -> Trajectories:
    """Return the truth with a share of cells replaced by one that the person was in at about that hour before."""
    x, y = truth.x.copy(), truth.y.copy()
    for i in np.flatnonzero(rng.random(len(truth)) < share):
        apart = np.abs(history.t.astype(int) - int(truth.t[i]))
        near = np.flatnonzero(apart <= max(2, int(apart.min())))
        chosen = near[int(rng.integers(len(near)))]
        x[i], y[i] = history.x[chosen], history.y[chosen]
    return replace(truth, x=x, y=y)


def answered(
    compiled: Compiled, truth: Trajectories, read: Trajectories, *, template_weight: float = 1.0, whole: bool = False
) -> Example:
    """Return a prompt with its answer; each token of the answer is learned at the one before it.

    The x to learn is the true one; the y to learn is that of the x which was read, so that the two stay one cell. Where
    numbers are digits, what is read must be true: the later digits of a true number do not follow another's first.
    template_weight: the weight of all tokens but cells; whole: learn the prompt's tokens too.
    """
    prompt = compiled.prompt
    ids = np.concatenate([prompt, compiled.filled(read.x, read.y)]).astype(np.int32)
    first = 1 if whole else len(prompt)
    targets = np.concatenate([prompt, compiled.filled(truth.x, read.y)])[first:]
    slots = np.concatenate([np.full(len(prompt), UNKNOWN), compiled.written_by(read.x, read.y)])[first:]
    numbers = slots != UNKNOWN
    begins = numbers & (np.diff(slots, prepend=UNKNOWN) != 0)
    weights = np.where(numbers, 1.0, template_weight).astype(np.float32)
    return Example(ids, np.arange(first, len(ids)) - 1, targets, numbers, begins, weights)


def with_history(example: Example, of_history: np.ndarray, weight: float) -> Example:
    """Return the example with the history's cells among what is learned.

    of_history: which tokens of the prompt decide a number of the history, bool (prompt,); weight: of each in the loss.
    """
    if example.places[0] == 0:  # the whole prompt is learned
        heavy = np.concatenate([of_history[1:], np.zeros(len(example.places) - len(of_history) + 1, bool)])
        return replace(example, weights=np.where(heavy, np.float32(weight), example.weights))
    told = np.flatnonzero(of_history)
    nothing = np.zeros(len(told), bool)
    return Example(
        example.ids,
        np.concatenate([told - 1, example.places]),
        np.concatenate([example.ids[told], example.targets]),
        np.concatenate([nothing, example.numbers]),
        np.concatenate([nothing, example.begins]),
        np.concatenate([np.full(len(told), weight, np.float32), example.weights]),
    )


def placed(compiled: Compiled, tokens: Tokens, truth: Trajectories) -> Example:
    """Return a prompt alone; the cells are learned at their own places 999 999 in the question."""
    places = placeholders(compiled, tokens, len(truth))
    targets = np.stack([compiled.tables[0, truth.x], compiled.tables[1, truth.y]], axis=1).ravel()[: len(places)]
    numbers = np.ones(len(places), bool)
    return Example(compiled.prompt.astype(np.int32), places, targets, numbers, numbers, numbers.astype(np.float32))


def placeholders(compiled: Compiled, tokens: Tokens, queries: int) -> np.ndarray:
    """Return where 999 stands in a prompt for the x and y of each query, int64 (2n,): its last 2n such tokens."""
    hidden = tokens.numbers if tokens.spaced is None else tokens.spaced
    found = np.flatnonzero(compiled.prompt == hidden[MASK])
    return found[len(found) - 2 * queries :]


def pack(chosen: Sequence[Example]) -> Batch:
    """Pad to the longest on the right: causal attention never looks there, so no mask is needed."""
    length = max(len(example.ids) for example in chosen)
    ids = np.zeros((len(chosen), length), np.int64)
    for row, one in enumerate(chosen):
        ids[row, : len(one.ids)] = one.ids
    places = np.concatenate([row * length + one.places for row, one in enumerate(chosen)])
    rest = (
        np.concatenate([getattr(one, name) for one in chosen]) for name in ("targets", "numbers", "begins", "weights")
    )
    return Batch(*(torch.from_numpy(array) for array in (ids, places, *rest)))
