"""How long a model takes per trajectory, for each batch size and way of decoding; nothing is scored."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.adapters import usage
from bench.adapters.adapter import Adapter, Context, Settings
from bench.data.trajectories import Queries, Trajectories
from bench.profiling import roofline, timing
from bench.profiling.roofline import Rates, Roofline

WARM_UP_QUERIES, WARM_UP_USERS = 8, 2


@dataclass(frozen=True)
class People:
    """The users to predict, and those that a learning model is fitted on."""

    history: Trajectories
    queries: Queries
    train: Trajectories


@dataclass(frozen=True)
class Variant:
    """One way to ask the fitted model: a name, and settings that differ from the fit's only in ``predicts_with``."""

    name: str
    batch: int
    settings: Settings


@dataclass(frozen=True)
class Line:
    """What one variant took.

    seconds: of each call; work: Adapter.usage per trajectory; roofline: the roofline time per trajectory for that work.
    """

    variant: Variant
    users: int
    seconds: tuple[float, ...]
    work: Mapping[str, float] = field(default_factory=dict)
    roofline: Roofline | None = None
    peak_memory_mb: float = 0.0
    peak_gpu_memory_mb: float | None = None

    @property
    def per_trajectory(self) -> float:
        """Seconds per trajectory."""
        return sum(self.seconds) / self.users


def people(table: Trajectories, ctx: Context, users: int, trainers: int) -> People:
    """Choose users spread evenly over a city; others are there to learn from.

    Only users with rows both in the history and in the horizon count.
    """
    history, truth = table.days(*ctx.window.history), table.days(*ctx.window.horizon)
    both = sorted(set(history.users) & set(truth.users))
    chosen = [both[i] for i in np.unique(np.linspace(0, len(both) - 1, min(users, len(both))).astype(int))]
    others = [user for user in both if user not in set(chosen)][:trainers]
    return People(history.only(chosen), truth.only(chosen).queries(), table.only(others))


def measure(
    adapter: Adapter, asked: People, variant: Variant, users: int, ctx: Context, rates: Callable[[], Rates]
) -> Line:
    """Time a variant on up to ``users`` users, and on one batch at least, after a warm-up with few queries.

    What a model sets up for a batch size counts, so in long use it takes less than here. rates: called only for a model
    that says enough for a roofline.
    """
    adapter.settings = variant.settings
    groups = _groups(asked.queries.users, variant.batch, users)
    _warm_up(adapter, asked, groups[0][:WARM_UP_USERS], ctx)
    _forget_peak()
    calls = [timing.timed_call(adapter, asked.history.only(g), asked.queries.only(g), ctx)[1] for g in groups]
    work, facts = usage.per_trajectory([call.used for call in calls]), adapter.facts()
    return Line(
        variant,
        users=sum(call.users for call in calls),
        seconds=tuple(call.seconds for call in calls),
        work=work,
        roofline=roofline.bound(facts, work, variant.batch, rates()) if roofline.is_known(facts, work) else None,
        peak_memory_mb=timing.peak_memory_mb(),
        peak_gpu_memory_mb=timing.peak_gpu_memory_mb(),
    )


def _groups(users: Sequence[tuple[str, int]], batch: int, most: int) -> list[list[tuple[str, int]]]:
    """Cut users into full batches, at least one; a batch holds at most all users."""
    calls = max(1, min(most, len(users)) // batch)
    return [list(users[i * batch : (i + 1) * batch]) for i in range(calls)]


def _warm_up(adapter: Adapter, asked: People, group: list[tuple[str, int]], ctx: Context) -> None:
    """Ask for the first few queries of some users."""
    parts = [asked.queries.of(user).take(slice(0, WARM_UP_QUERIES)) for user in group]
    adapter.predict(asked.history.only(group), Queries.concat(parts), ctx)


def _forget_peak() -> None:
    """Reset the peak of GPU memory for the next variant."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
