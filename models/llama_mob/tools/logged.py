"""Logged answers of a tuned model, beside the histories that it was shown: what drafts are fitted to and judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data.files.csvfiles import read_points
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob.engine.evidence import IntArray

IsOff = Callable[[IntArray], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class Person:
    """One user: rows of d, t, x, y, sorted by (d, t), of the history and of what the model answered."""

    history: IntArray
    answers: IntArray


def people_of(source: Source, city: str, answers: Path) -> list[Person]:
    """Return the users whom a file of rows uid,d,t,x,y answers, in the order of their uids. Raises UserError."""
    histories = source.load(city).days(*Window().history)
    said = read_points(answers, city=city, grid=source.world(city).grid).visible.days(*Window().horizon)
    known = set(histories.users)
    missing = [str(user[1]) for user in said.users if user not in known]
    if missing or not len(said):
        reason = f"no history of uid {', '.join(missing[:5])} in city {city}" if missing else "no answer in the horizon"
        raise UserError(f"{answers}: {reason}; give the answers of users of the data's city")
    return [Person(_rows(histories.of(user)), _rows(said.of(user))) for user in said.users]


def halves(people: Sequence[Person]) -> tuple[list[Person], list[Person]]:
    """Return the users that drafts may be fitted to (the first, the third, ...) and those that judge them."""
    return list(people[0::2]), list(people[1::2])


def _rows(table: Trajectories) -> IntArray:
    return np.stack([table.d, table.t, table.x, table.y], axis=1).astype(np.int64)
