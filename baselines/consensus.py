"""consensus: several files of answers, taken as samples of one model's days and decoded into one answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from baselines._decoding import DecodeSettings
from baselines.replay import Replay
from bench.adapters.adapter import Adapter, Context, LearnsFrom, Split
from bench.data.trajectories import MISSING, OK, Answers, Queries, Trajectories, by_user
from bench.evaluation.decoding import Way, from_samples


class Consensus(Adapter):
    """Answer with the day of highest expected score under the files' days, each file one sample.

    A point that a file lacks is taken from what most of the others say there; a point that all lack is missing.
    """

    name: ClassVar[str] = "consensus"
    learns_from: ClassVar[LearnsFrom] = "nothing"
    timed: ClassVar[bool] = False

    class Settings(DecodeSettings):
        """Where the answers are, what is known of the model that made them, and how they are decoded."""

        answers: dict[str, tuple[Path, ...]] = Field(
            min_length=1, description="{city: [files]} of rows uid,d,t,x,y (.csv, .csv.gz, .parquet)"
        )
        first_day: int = Field(0, ge=0, le=1, description="how the files count their first day")
        model: str | None = Field(None, description="the model that made them, for the record")
        parameters: int | None = Field(None, ge=0, description="its number of parameters, for the record")
        trained_on: tuple[str, ...] = Field((), description="cities that it was trained on: the leak flag")
        decode: Way = Field("expected_geobleu", description=str(DecodeSettings.model_fields["decode"].description))

        def recorded(self) -> dict[str, Any]:
            """Return the settings with each file as its name and the SHA-256 of its content."""
            files = {
                city: [run.settings.recorded()["answers"][city] for run in self.runs(city)] for city in self.answers
            }
            return {**self.model_dump(mode="json"), "answers": files}

        def runs(self, city: str) -> list[Replay]:
            """Return a city's files, each as a model of its own. Raises ValidationError where one is not there."""
            shared = {"first_day": self.first_day}
            return [Replay(Replay.Settings(answers={city: file}, **shared)) for file in self.answers.get(city, ())]

        def model_post_init(self, _context: Any) -> None:
            """Fail at once where a file is not there."""
            for city in self.answers:
                self.runs(city)

    settings: Settings

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._runs = {city: self.settings.runs(city) for city in self.settings.answers}

    def seen(self) -> tuple[str, ...]:
        """Return the cities that the settings name."""
        return self.settings.trained_on

    def skip(self, split: Split) -> str | None:
        """Skip cities without files."""
        if not self._runs.get(split.test_city):
            return f"no files of answers for city {split.test_city} (there are {', '.join(self._runs)})"
        return None

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Look every query up in every file, then decode user by user."""
        return Answers.concat([self._of_user(user[0], asked, ctx) for user, _past, asked in by_user(history, queries)])

    def facts(self) -> Mapping[str, int | float | str]:
        """Return what the settings say of the model, and how many files there are."""
        known = {"model": self.settings.model, "parameters": self.settings.parameters}
        return {"files": sum(map(len, self._runs.values()))} | {k: v for k, v in known.items() if v is not None}

    def _of_user(self, city: str, queries: Queries, ctx: Context) -> Answers:
        nothing = Trajectories.empty(queries.cities)
        said = [run.predict(nothing, queries, ctx) for run in self._runs.get(city, [])]
        zero, missing = np.zeros(len(queries), np.int16), np.full(len(queries), MISSING)
        if not said:
            return Answers.of(zero, zero, missing)
        ok = np.stack([answers.status == OK for answers in said])
        cells = np.stack([answers.x.astype(np.int64) << 32 | answers.y for answers in said])
        cell, number = np.unique(cells, return_inverse=True)
        samples = _filled(number.reshape(cells.shape), ok)
        x, y, known = cell >> 32, cell & 0xFFFFFFFF, ok.any(axis=0)
        setting, best = self.settings, np.zeros(len(queries), np.int64)
        if known.any():
            some, days = samples[ok.any(axis=1)][:, known], queries.d[known]
            best[known] = from_samples(some, x, y, days, setting.decode, setting.aim, ctx.grid.cell_km)
        return Answers.of(x[best], y[best], np.where(known, OK, MISSING))


def _filled(number: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """Give each missing point the cell that most of the others name, the lowest of equals; shapes (files, queries)."""
    filled = number.copy()
    for q in np.flatnonzero(~ok.all(axis=0) & ok.any(axis=0)):
        filled[~ok[:, q], q] = np.bincount(number[ok[:, q], q]).argmax()
    return filled
