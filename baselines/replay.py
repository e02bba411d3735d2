"""replay: answers from a file, for submissions and predictions of others."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from bench.adapters import adapter
from bench.adapters.adapter import Adapter, Context, LearnsFrom, Split
from bench.data.files.blocks import Points
from bench.data.files.hints import LAST_OF_75
from bench.data.trajectories import INVALID, MISSING, OK, Answers, Queries, Trajectories
from bench.data.world import Window
from bench.errors import UserError


class Replay(Adapter):
    """Answer with the rows of a file.

    A cell that is none (blank, NaN, 999, outside the grid) is an invalid answer; a row that is not there is a missing
    one.
    """

    name: ClassVar[str] = "replay"
    learns_from: ClassVar[LearnsFrom] = "nothing"
    timed: ClassVar[bool] = False

    class Settings(adapter.Settings):
        """Where the answers are, and what is known of the model that made them."""

        answers: Path | dict[str, Path] = Field(
            description="a file of rows uid,d,t,x,y (.csv, .csv.gz, .parquet) for every city, or {city: file}"
        )
        first_day: int = Field(0, ge=0, le=1, description="how the file counts its first day")
        model: str | None = Field(None, description="the model that made them, for the record")
        parameters: int | None = Field(None, ge=0, description="its number of parameters, for the record")
        trained_on: tuple[str, ...] = Field((), description="cities that it was trained on: the leak flag")

        @field_validator("answers")
        @classmethod
        def _is_there(cls, answers: Path | dict[str, Path]) -> Path | dict[str, Path]:
            absent = [str(path) for path in _files(answers) if not path.is_file()]
            if absent:
                raise ValueError(f"no such file: {', '.join(absent)}")
            return answers

        def recorded(self) -> dict[str, Any]:
            """Return the settings with each file as its name and the SHA-256 of its content."""
            names = {city: named(path) for city, path in self.by_city().items()}
            return {**self.model_dump(mode="json"), "answers": names.get("", names)}

        def by_city(self) -> dict[str, Path]:
            """Return the file for each city; "" stands for all."""
            return self.answers if isinstance(self.answers, dict) else {"": self.answers}

    settings: Settings

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._tables: dict[str, Points] = {}

    def seen(self) -> tuple[str, ...]:
        """Return the cities that the settings name."""
        return self.settings.trained_on

    def skip(self, split: Split) -> str | None:
        """Skip cities without a file."""
        if self._path(split.test_city) is None:
            return f"no file of answers for city {split.test_city} (there are {', '.join(self.settings.by_city())})"
        return None

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Look every query up."""
        n = len(queries)
        x, y, status = np.zeros(n, np.int16), np.zeros(n, np.int16), np.full(n, MISSING, np.int8)
        for code, city in enumerate(queries.cities):
            mine = np.flatnonzero(queries.city == code)
            if len(mine) and self._path(city):
                said = look_up(queries.take(mine), self._table(city, ctx))
                x[mine], y[mine], status[mine] = said.x, said.y, said.status
        return Answers.of(x, y, status)

    def facts(self) -> dict[str, int | float | str]:
        """Return what the settings say of the model."""
        known = {"model": self.settings.model, "parameters": self.settings.parameters}
        return {key: value for key, value in known.items() if value is not None}

    def _path(self, city: str) -> Path | None:
        files = self.settings.by_city()
        return files.get(city, files.get(""))

    def _table(self, city: str, ctx: Context) -> Points:
        """Read a city's file once."""
        from bench.data.files.csvfiles import read_points

        if city not in self._tables:
            path = self._path(city)
            assert path is not None
            first_day = self.settings.first_day
            table = read_points(path, city=city, first_day=first_day, answers=True, grid=ctx.grid)
            prove_days(path, table, ctx.window, first_day)
            self._tables[city] = table
        return self._tables[city]


def named(path: Path) -> str:
    """Return a file's name and the SHA-256 of its content, as a record names it."""
    return f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def look_up(queries: Queries, points: Points) -> Answers:
    """Return what a table holds for each query of one city."""
    n = len(queries)
    x, y, status = np.zeros(n, np.int16), np.zeros(n, np.int16), np.full(n, MISSING, np.int8)
    row, found = _match(queries, points.visible)
    x[found], y[found] = points.visible.x[row[found]], points.visible.y[row[found]]
    status[found] = OK
    status[_match(queries, points.masked)[1]] = INVALID
    return Answers.of(x, y, status)


def prove_days(path: Path, table: Points, window: Window, first_day: int) -> None:
    """Raise UserError if the file's days run exactly one beside the horizon, or from 1 to 75: they count otherwise."""
    days = np.concatenate([table.visible.d, table.masked.d]) + first_day
    low, high = int(days.min()), int(days.max())
    for other in {0, 1} - {first_day}:
        asked = (window.horizon[0] + other, window.horizon[1] + other)
        if (low, high) == asked or (other == 1 and (low, high) == (1, LAST_OF_75)):
            raise UserError(
                f"{path}: holds days {low}-{high}, so it seems to count from {other}; set first_day: {other}"
            )


def _match(asked: Queries, table: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Return for each query the table's row with its (uid, d, t), and whether there is one."""
    if not len(table):
        return np.zeros(len(asked), np.int64), np.zeros(len(asked), bool)
    keys = [(rows.uid.astype(np.int64) << 32) | (rows.d.astype(np.int64) << 16) | rows.t for rows in (asked, table)]
    row = np.minimum(np.searchsorted(keys[1], keys[0]), len(table) - 1)
    return row, keys[1][row] == keys[0]


def _files(answers: Path | dict[str, Path]) -> list[Path]:
    return list(answers.values()) if isinstance(answers, dict) else [answers]
