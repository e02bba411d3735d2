"""Per-user statistics, asked in this process: their scores describe a city's people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.adapters.adapter import Context
from bench.adapters.registry import make
from bench.data.describe import METRICS
from bench.data.trajectories import Trajectories
from bench.data.world import Window, World
from bench.evaluation.metrics import score_users, undefined

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = (
    "user_mode",
    "user_mean",
    "slot_mode",
    "weekday_slot_mode",
    "offday_slot_mode",
    "kernel_vote",
    "bigram",
    "tt_knn",
)


def statistic_scores(table: Trajectories, name: str, world: World, window: Window | None = None) -> pd.DataFrame:
    """Ask one per-user statistic for the horizon of every user with a history; return the scores per user, of METRICS
    those that are defined on the grid.
    """
    window = window or Window()
    history, truth = table.days(*window.history), table.days(*window.horizon)
    known = set(history.users)
    truth = truth.only([user for user in truth.users if user in known])
    ctx = Context(window=window, grid=world.grid, calendar=world.calendar)
    answers = make(name).predict(history.only(truth.users), truth.queries(), ctx)
    defined = [name for name in METRICS if not undefined([name], world.grid)]
    return score_users(answers.x, answers.y, truth, defined, world=world)
