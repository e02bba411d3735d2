"""llama_mob that does every pass and takes its answers from a table: times and drafts of a model that is not here."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Context
from bench.data.trajectories import Answers, Queries, Trajectories
from models.llama_mob import LlamaMob
from models.llama_mob.answering import Answering
from models.llama_mob.engine import Engine, Task
from models.llama_mob.engine.decode import Writing
from models.llama_mob.engine.sampling import Choice, FloatArray
from models.llama_mob.settings import LlamaMobSettings


class GivenMob(LlamaMob):
    """Answers with the cells of ``given``, which must hold every point asked for; drafts are verified against them."""

    def __init__(self, settings: LlamaMobSettings, given: Trajectories) -> None:
        super().__init__(settings)
        self._given = given

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Do the passes, and answer as given."""
        ready = self._made_ready(ctx)
        answering = _GivenAnswering(ready.model, ready.tokens, self.settings, ctx, self._engines)
        for user in queries.users:
            asked, said = queries.of(user), self._given.of(user)
            rows = np.isin(said.d * ctx.grid.slots + said.t, asked.d * ctx.grid.slots + asked.t)
            _GivenEngine.given[user] = np.stack([said.x[rows], said.y[rows]], axis=1).ravel()
        answers, self._spent = answering.answer(history, queries)
        return answers


class _GivenChoice(Choice):
    """Takes every number from given answers, whatever the scores say."""

    def __init__(self, numbers: np.ndarray) -> None:
        super().__init__(0, ("", 0), 0, 0, 0.0, 1.0)
        self._numbers = numbers

    def pick(self, slot: int, scores: FloatArray) -> tuple[int, float]:
        return int(self._numbers[slot]) - 1, float("inf")


class _GivenEngine(Engine):
    """given: city and uid -> x and y of the points asked for, in turn."""

    given: ClassVar[dict[tuple[str | int, ...], np.ndarray]] = {}

    def _start(self, task: Task) -> Writing:
        writing = super()._start(task)
        writing.choice = _GivenChoice(self.given[task.key])
        return writing


class _GivenAnswering(Answering):
    engine = _GivenEngine
