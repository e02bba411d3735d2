"""Solved examples before a question (few-shot prompts): whose they are, how they are written and kept.

An example (a shot) is a training user: history, question and true answer, cut at the end of the days that are known,
so that no more is shown than training would use.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from bench.files import write_with
from models.llama_mob.base.layouts import Turn
from models.llama_mob.prompts.template import Template

FILE = "shots.npz"


@dataclass(frozen=True)
class Shot:
    """A training user's question and answer."""

    history: Trajectories
    truth: Trajectories


def draw(train: Trajectories, shots: int, ctx: Context) -> Trajectories:
    """Draw the users who are shown by the case's seed, from those with rows in both parts; return all their rows.

    They are drawn, not chosen as the shortest: an example of two rows shows no routine. More shots hold fewer ones.
    Raises UserError where there are not as many.
    """
    # The stream has the name of the first model that had examples, so that all models show the same people.
    drawn = [train.users[i] for i in ctx.rng("llm_api", "shots").permutation(len(train.users)).tolist()]
    fitting = [user for user in drawn if _cut(train.of(user), ctx.window) is not None]
    if len(fitting) < shots:
        raise UserError(
            f"shots is {shots}, but {len(fitting)} training users have rows in both parts of the window; take fewer"
        )
    return train.only(fitting[:shots])


def recent(history: Trajectories, days: int | None) -> Trajectories:
    """Return the last days of a user's history, counted from the last one with a row; all where days is None."""
    return history if days is None or not len(history) else history.take(history.d > history.d.max() - days)


def cut(drawn: Trajectories, window: Window, days: int | None) -> list[Shot]:
    """Return the examples of users that :func:`draw` drew, with the last ``days`` of their histories."""
    found = (_cut(drawn.of(user), window) for user in drawn.users)
    return [Shot(recent(one.history, days), one.truth) for one in found if one is not None]


def _cut(rows: Trajectories, window: Window) -> Shot | None:
    """Cut one user's rows into a history and what followed, at the end of the days that are known."""
    last = min(window.horizon[1], int(rows.d.max()))
    first = last - window.horizon_days + 1
    found = Shot(rows.days(first - window.history_days, first - 1), rows.days(first, last))
    return found if len(found.history) and len(found.truth) else None


def turns(template: Template, shots: list[Shot]) -> list[Turn]:
    """Return the examples' questions and answers as they are written."""
    return [
        (
            template.question(one.history, one.truth.queries()),
            template.layout.write(one.truth.d, one.truth.t, one.truth.x, one.truth.y),
        )
        for one in shots
    ]


def save(drawn: Trajectories, folder: Path) -> None:
    """Write the rows of drawn users."""
    columns = {name: getattr(drawn, name) for name in drawn.columns()}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, cities=np.array(drawn.cities, np.str_), **columns)

    write_with(folder / FILE, write)


def load(folder: Path, shots: int) -> Trajectories:
    """Read what :func:`save` wrote. Raises UserError unless it is whole: rows of so many users, nothing unpickled."""
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as data:
            columns = {name: data[name] for name in Trajectories.columns()}
            found = Trajectories.build(tuple(str(name) for name in data["cities"]), **columns)
            users = found.users
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: the examples of the prompt cannot be read ({error}); fit again") from None
    if len(users) != shots:
        raise UserError(f"{path}: does not hold the examples of {shots} users; fit again")
    return found
