"""consensus: the answers of several runs, taken as samples of one model's days and decoded into one answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from baselines._decoding import DecodeSettings
from baselines._runs import read_runs
from baselines.replay import look_up, named, prove_days
from bench.adapters.adapter import Adapter, Context, LearnsFrom, Split
from bench.data.files.blocks import Points
from bench.data.trajectories import Answers, Queries, Trajectories, by_user
from bench.evaluation.decoding import Way
from bench.evaluation.decoding.consensus import consensus


class Consensus(Adapter):
    """Answer with the day of highest expected score under the runs' days, each run one sample.

    A file is a run, or holds several, named in a column ``run``. A point that a run lacks is taken from what most of
    the others say there; a point that all lack is missing.
    """

    name: ClassVar[str] = "consensus"
    learns_from: ClassVar[LearnsFrom] = "nothing"
    timed: ClassVar[bool] = False

    class Settings(DecodeSettings):
        """Where the answers are, what is known of the model that made them, and how they are decoded."""

        answers: dict[str, tuple[Path, ...]] = Field(
            min_length=1,
            description="{city: [files]} of rows uid,d,t,x,y (.csv, .csv.gz, .parquet); a text file with a column run "
            "holds several runs, one with a column city several cities",
        )
        first_day: int = Field(0, ge=0, le=1, description="how the files count their first day")
        model: str | None = Field(None, description="the model that made them, for the record")
        parameters: int | None = Field(None, ge=0, description="its number of parameters, for the record")
        trained_on: tuple[str, ...] = Field((), description="cities that it was trained on: the leak flag")
        decode: Way = Field("expected_geobleu", description=str(DecodeSettings.model_fields["decode"].description))

        @field_validator("answers")
        @classmethod
        def _are_there(cls, answers: dict[str, tuple[Path, ...]]) -> dict[str, tuple[Path, ...]]:
            absent = [str(path) for paths in answers.values() for path in paths if not path.is_file()]
            if absent:
                raise ValueError(f"no such file: {', '.join(absent)}")
            return answers

        def recorded(self) -> dict[str, Any]:
            """Return the settings with each file as its name and the SHA-256 of its content."""
            files = {city: [named(path) for path in paths] for city, paths in self.answers.items()}
            return {**self.model_dump(mode="json"), "answers": files}

    settings: Settings

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._runs: dict[str, list[Points]] = {}

    def seen(self) -> tuple[str, ...]:
        """Return the cities that the settings name."""
        return self.settings.trained_on

    def skip(self, split: Split) -> str | None:
        """Skip cities without files."""
        if not self.settings.answers.get(split.test_city):
            return f"no files of answers for city {split.test_city} (there are {', '.join(self.settings.answers)})"
        return None

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Look every query up in every file, then decode user by user."""
        return Answers.concat([self._of_user(user[0], asked, ctx) for user, _past, asked in by_user(history, queries)])

    def facts(self) -> Mapping[str, int | float | str]:
        """Return what the settings say of the model, and how many runs were read."""
        known = {"model": self.settings.model, "parameters": self.settings.parameters}
        return {"runs": sum(map(len, self._runs.values()))} | {k: v for k, v in known.items() if v is not None}

    def _of_city(self, city: str, ctx: Context) -> list[Points]:
        """Read a city's files once."""
        if city not in self._runs:
            first_day = self.settings.first_day
            runs: list[Points] = []
            for path in self.settings.answers.get(city, ()):
                found = read_runs(path, city, first_day, ctx.grid)
                for run in found:
                    prove_days(path, run, ctx.window, first_day)
                runs += found
            self._runs[city] = runs
        return self._runs[city]

    def _of_user(self, city: str, queries: Queries, ctx: Context) -> Answers:
        runs = [look_up(queries, run) for run in self._of_city(city, ctx)]
        return consensus(runs, queries, self.settings.decode, self.settings.aim, ctx.grid.cell_km)
