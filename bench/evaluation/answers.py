"""Check what a model answered, and fill the gaps with a declared fallback: counted, never dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.data.trajectories import INVALID, MISSING, OK, Answers, Queries, Trajectories
from bench.data.world import Grid

Fallback = Literal["last_cell", "user_mode"]


class WrongAnswers(ValueError):
    """An adapter returned something that is no list of answers to the queries."""


@dataclass(frozen=True)
class Filled:
    """Answers without gaps: x, y (int16) per query, and which of them the model did not give itself.

    ranked: int16 (rows, most, 2), the cells that the model holds likeliest; of a filled row the fallback alone.
    """

    x: np.ndarray
    y: np.ndarray
    missed: np.ndarray
    invalid: int
    missing: int
    ranked: np.ndarray | None = None


def check(answers: object, queries: Queries, grid: Grid) -> Answers:
    """Return the answers with cells outside the grid marked invalid.

    Raises WrongAnswers if it is no Answers object, or has not one row per query, naming the first bad thing.
    """
    if not isinstance(answers, Answers):
        raise WrongAnswers(f"predict returned {type(answers).__name__}, not bench.data.trajectories.Answers")
    for name in ("x", "y", "status"):
        column = np.asarray(getattr(answers, name))
        if column.shape != (len(queries),):
            raise WrongAnswers(f"predict returned {name} of shape {column.shape} for {len(queries)} queries")
        if column.dtype.kind not in "iu":
            raise WrongAnswers(f"predict returned {name} of type {column.dtype}; whole numbers are needed")
    if not np.isin(answers.status, (OK, INVALID, MISSING)).all():
        raise WrongAnswers("predict returned a status other than ok, invalid or missing")
    inside = (answers.x >= 1) & (answers.x <= grid.width) & (answers.y >= 1) & (answers.y <= grid.height)
    status = np.where((answers.status == OK) & ~inside, INVALID, answers.status).astype(np.int8)
    ranked = _ranked(answers.ranked, len(queries), grid)
    return Answers(answers.x.astype(np.int16), answers.y.astype(np.int16), status, answers.raw, ranked)


def _ranked(ranked: object, rows: int, grid: Grid) -> np.ndarray | None:
    """Return ranked cells with 0 for those outside the grid. Raises WrongAnswers."""
    if ranked is None:
        return None
    cells = np.asarray(ranked)
    if cells.ndim != 3 or cells.shape[0] != rows or cells.shape[2] != 2 or cells.dtype.kind not in "iu":
        raise WrongAnswers(f"predict returned ranked of shape {cells.shape}; whole numbers (rows, cells, 2) are needed")
    inside = ((cells >= 1) & (cells <= (grid.width, grid.height))).all(axis=2, keepdims=True)
    return np.where(inside, cells, 0).astype(np.int16)


def fill(answers: Answers, history: Trajectories, queries: Queries, fallback: Fallback, grid: Grid) -> Filled:
    """Replace every answer that is not ok by the fallback: the user's last known or most frequent cell.

    A user without a history gets the middle of the grid.
    """
    x, y = answers.x.copy(), answers.y.copy()
    missed = answers.status != OK
    ranked = None if answers.ranked is None else np.where(missed[:, None, None], 0, answers.ranked)
    for i, user in enumerate(queries.users):
        rows = slice(int(queries.starts[i]), int(queries.starts[i + 1]))
        if missed[rows].any():
            cell = _fallback_cell(history.of(user), fallback, grid)
            x[rows][missed[rows]], y[rows][missed[rows]] = cell
            if ranked is not None:
                ranked[np.flatnonzero(missed[rows]) + rows.start, 0] = cell
    counts = [int((answers.status == state).sum()) for state in (INVALID, MISSING)]
    return Filled(x, y, missed, counts[0], counts[1], ranked)


def _fallback_cell(history: Trajectories, fallback: Fallback, grid: Grid) -> tuple[int, int]:
    if not len(history):
        return (grid.width + 1) // 2, (grid.height + 1) // 2
    if fallback == "last_cell":
        return int(history.x[-1]), int(history.y[-1])
    cells, first, counts = np.unique(
        np.stack([history.x, history.y], axis=1), axis=0, return_index=True, return_counts=True
    )
    best = cells[np.lexsort((first, -counts))[0]]
    return int(best[0]), int(best[1])
