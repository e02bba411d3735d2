"""Adapters that fail in one method, or tell the runner what is not so: ``--adapter misbehaving_models:Fails``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from bench.adapters.adapter import Adapter, Context, Settings, Split
from bench.data.trajectories import Answers, Queries, Trajectories

Where = Literal["skip", "fit", "predict", "save", "load", "facts", "usage", "nowhere"]


class Fails(Adapter):
    """Raises in one of its methods."""

    name: ClassVar[str] = "fails"

    class Settings(Settings):
        """where: the method that raises; city: only where this one is asked for; how: what it raises."""

        predicts_with: ClassVar[frozenset[str]] = frozenset({"where", "city", "how"})
        where: Where = "nowhere"
        city: str | None = None
        how: Literal["error", "exit", "memory"] = "error"

    def _reach(self, where: Where, city: str | None = None) -> None:
        if where != self.settings.where or self.settings.city not in (None, city):
            return
        if self.settings.how == "exit":
            sys.exit(0)
        if self.settings.how == "memory":
            raise MemoryError
        raise IndexError(f"list index out of range\nin {where}")

    def skip(self, split: Split) -> str | None:
        """Perhaps fail."""
        self._reach("skip", split.test_city)
        return None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Perhaps fail."""
        self._reach("fit")

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Perhaps fail."""
        self._reach("predict", queries.cities[0])
        return Answers.of(np.full(len(queries), 100), np.full(len(queries), 100))

    def save(self, folder: Path) -> None:
        """Perhaps fail."""
        self._reach("save")

    def load(self, folder: Path) -> None:
        """Perhaps fail."""
        self._reach("load")

    def facts(self) -> dict[str, int]:
        """Perhaps fail."""
        self._reach("facts")
        return {"parameters": 2}

    def usage(self) -> dict[str, float]:
        """Perhaps fail."""
        self._reach("usage")
        return {}


class Liar(Adapter):
    """Speaks over the harness's own pipe, or leaves a trap where its answers are fetched."""

    name: ClassVar[str] = "liar"

    class Settings(Settings):
        """lie: what it does; target: a file that it would like to be read as its answers, disguised."""

        lie: str = ""
        target: str = ""

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Lie once, then answer."""
        getattr(self, f"_{self.settings.lie}")(ctx)
        return Answers.of(np.full(len(queries), 100), np.full(len(queries), 100))

    def facts(self) -> dict[str, Any]:
        """Tell a fact that no record takes, if that is the lie."""
        return {"parameters": [1, 2]} if self.settings.lie == "odd_fact" else {}

    def _job(self) -> dict[str, Any]:
        """Find the job in the callers' variables: it is the model's own process."""
        frame: Any = sys._getframe()
        while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "job"):
            frame = frame.f_back
        return frame.f_locals["self"].job

    def _shout(self, text: str) -> None:
        os.write(self._job()["voice"], text.encode() + b"\n")

    def _odd_fact(self, _ctx: Context) -> None:
        """Lie later."""

    def _nonsense(self, _ctx: Context) -> None:
        self._shout("\x1b[2J{nonsense")

    def _wrong_types(self, _ctx: Context) -> None:
        self._shout(json.dumps({"event": "progress", "label": 1, "done": "x", "total": None}))

    def _foreign_case(self, _ctx: Context) -> None:
        self._shout(json.dumps({"event": "missed", "cost_id": "0" * 20, "status": "failed", "reason": "so there"}))

    def _link(self, _ctx: Context) -> None:
        """Let the runner, who may read everything, read another file as the answers."""
        for part in self._job()["parts"]:
            Path(part["output"]).symlink_to(bytes.fromhex(self.settings.target).decode())
            self._shout(self._done(part))
        time.sleep(10)

    def _pipe(self, _ctx: Context) -> None:
        """Let the runner wait for ever."""
        for part in self._job()["parts"]:
            os.mkfifo(part["output"])
            self._shout(self._done(part))
        time.sleep(10)

    def _survivor(self, _ctx: Context) -> None:
        """Leave a process behind that holds the pipe, and end."""
        if os.fork() == 0:
            os.setsid()
            time.sleep(20)
        os._exit(0)

    def _done(self, part: dict[str, Any]) -> str:
        answered = {"predict_seconds": 1.0, "usage": {}}
        return json.dumps({"event": "part", "cost_id": part["cost_id"], "answered": answered, "cost": None})
