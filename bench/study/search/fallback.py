"""What a protocol's fallback scores alone: a model that never answers, for the empty set of training cities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Adapter, Context, LearnsFrom
from bench.data.trajectories import MISSING, Answers, Queries, Trajectories


class Fallback(Adapter):
    """Leaves every query to the fallback."""

    name: ClassVar[str] = "fallback"
    learns_from: ClassVar[LearnsFrom] = "nothing"

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer nothing."""
        zero = np.zeros(len(queries), np.int16)
        return Answers.of(zero, zero, np.full(len(queries), MISSING))
