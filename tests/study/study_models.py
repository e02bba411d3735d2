"""Models for the tests of studies: ``--adapter study_models:Moves``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.adapters.adapter import Adapter, Context, Settings
from bench.adapters.origin import Learning
from bench.data.trajectories import MISSING, OK, Answers, Queries, Trajectories, by_user
from bench.records.store import read_json, write_json


class Moves(Adapter):
    """Learns where people of a home go after day 5; whose home it never saw, it leaves at home."""

    name: ClassVar[str] = "moves"

    class Settings(Settings):
        """steps: of a fit that gives its scores; better: what each step adds; seconds: of a fit; breaks: fail;
        silent: answer nothing; kept_epoch: of the fit, for its facts.
        """

        steps: int = 0
        better: float = 0.0
        seconds: float = 0.0
        breaks: bool = False
        silent: bool = False
        kept_epoch: int | None = None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Learn one cell for each home."""
        if self.settings.breaks:
            raise RuntimeError("no such luck")
        time.sleep(self.settings.seconds)
        for step in range(self.settings.steps):
            ctx.intermediate(step, step * self.settings.better)
            time.sleep(0.05)
        self.to: dict[str, list[int]] = {}
        for user in train.users:
            rows = train.of(user)
            before, after = rows.days(0, 5), rows.days(6, 99)
            self.to[f"{before.x[0]} {before.y[0]}"] = [int(after.x[0]), int(after.y[0])]

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer with the learned cell, or the home."""
        parts = []
        for _user, past, asked in by_user(history, queries):
            home = [int(past.x[0]), int(past.y[0])]
            cell = self.to.get(f"{home[0]} {home[1]}", home)
            status = np.full(len(asked), MISSING if self.settings.silent else OK)
            parts.append(Answers.of(*(np.full(len(asked), value) for value in cell), status))
        return Answers.concat(parts)

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        write_json(folder / "moves.json", self.to)

    def load(self, folder: Path) -> None:
        """Read it."""
        self.to = read_json(folder / "moves.json")

    def learning(self) -> Learning:
        """Say which epoch was kept."""
        kept, start = self.settings.kept_epoch, Learning(start="random")
        return start if kept is None else start.after(epochs=1, kept_epoch=kept, kept_step=kept)
