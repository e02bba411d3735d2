"""How likely a model holds each cell, and what the truth costs it: nats a cell.

The loss of a query is -log p(true cell), in nats; a uniform guess over the grid costs log(cells), 10.6 for 200 x 200.
It is the logarithmic score (Good, Rational decisions, 1952), proper: the best a model can do is to say what it
believes. Where a model reads the true cells of the queries before (a language model, any chain), the losses of a user
add up to -log p(all cells) by the chain rule, as they do for a model that takes queries as independent; so the two
can be compared (Dawid, Statistical theory: the prequential approach, 1984).

``FLOOR`` of every model's probability is spread evenly over the grid, so that no loss is infinite: a cell that a model
calls impossible costs log(cells / FLOOR), 17.5 nats for 200 x 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Grid

FLOOR = 1e-3
SLACK = 1e-3  # what rounding may add to a sum of probabilities


class WrongProbabilities(ValueError):
    """A model returned what is no distribution over cells for each query."""


@dataclass(frozen=True)
class CellProbabilities:
    """Probabilities of some cells for each query; what they lack to one lies evenly on the other cells of the grid.

    x, y: whole numbers (queries, k), cells from 1, each cell once a query; p: float (queries, k). A row of zeros is a
    uniform guess. Entries of p that are zero may stand for any cell: they fill rows up to k.
    """

    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


@dataclass(frozen=True)
class AxisProbabilities:
    """Probabilities of x, and of y given x, for each query.

    x: float (queries, width), column i is for x = i + 1; y: float (queries, height), given the x that the model was
    shown at this query (or whatever x is, where it takes both as independent). Rows sum to one.
    """

    x: np.ndarray
    y: np.ndarray


Probabilities: TypeAlias = CellProbabilities | AxisProbabilities


def check(given: object, queries: Queries, grid: Grid) -> Probabilities:
    """Return the probabilities with the floor not yet in, axes summing to one exactly. Raises WrongProbabilities."""
    if isinstance(given, CellProbabilities):
        return _check_cells(given, len(queries), grid)
    if isinstance(given, AxisProbabilities):
        return AxisProbabilities(
            _check_axis("x", given.x, (len(queries), grid.width)),
            _check_axis("y", given.y, (len(queries), grid.height)),
        )
    raise WrongProbabilities(f"probabilities returned {type(given).__name__}, not Cell- or AxisProbabilities")


def losses(given: Probabilities, truth: Trajectories, grid: Grid) -> np.ndarray:
    """Return -log p of every row of the truth, float64 (rows,), in nats. given: as :func:`check` returns it."""
    if isinstance(given, AxisProbabilities):
        return x_losses(given, truth, grid) - np.log(_with_floor(_at(given.y, truth.y), grid.height))
    cells = grid.width * grid.height
    listed = given.p > 0
    hit = (given.x == truth.x[:, None]) & (given.y == truth.y[:, None]) & listed
    rest = np.maximum(0.0, 1.0 - given.p.sum(axis=1, dtype=np.float64)) / np.maximum(1, cells - listed.sum(axis=1))
    p = np.where(hit.any(axis=1), (given.p * hit).sum(axis=1, dtype=np.float64), rest)
    return -np.log(_with_floor(p, cells))


def x_losses(given: AxisProbabilities, truth: Trajectories, grid: Grid) -> np.ndarray:
    """Return -log p of the true x alone, float64 (rows,)."""
    return -np.log(_with_floor(_at(given.x, truth.x), grid.width))


def _at(table: np.ndarray, axis: np.ndarray) -> np.ndarray:
    return table[np.arange(len(axis)), axis.astype(np.int64) - 1].astype(np.float64)


def _with_floor(p: np.ndarray, cells: int) -> np.ndarray:
    return (1.0 - FLOOR) * p + FLOOR / cells


def _check_axis(name: str, table: object, shape: tuple[int, int]) -> np.ndarray:
    found = _numbers(name, table, shape)
    total = found.sum(axis=1, dtype=np.float64)
    if len(total) and np.abs(total - 1).max() > SLACK:
        raise WrongProbabilities(
            f"the probabilities of {name} sum to {total[np.abs(total - 1).argmax()]:.4g}, not to 1"
        )
    return found / total[:, None]


def _check_cells(given: CellProbabilities, rows: int, grid: Grid) -> CellProbabilities:
    p = np.asarray(given.p)
    if p.ndim != 2:
        raise WrongProbabilities(f"p has {p.ndim} dimension(s); (queries, cells) are needed")
    p = _numbers("p", p, (rows, p.shape[1]))
    axes = []
    for name, size in (("x", grid.width), ("y", grid.height)):
        axis = np.asarray(getattr(given, name))
        if axis.shape != p.shape or axis.dtype.kind not in "iu":
            raise WrongProbabilities(f"{name} is {axis.dtype} {axis.shape}; whole numbers {p.shape} are needed")
        if ((p > 0) & ((axis < 1) | (axis > size))).any():
            raise WrongProbabilities(f"a cell of positive probability has {name} outside 1..{size}")
        axes.append(axis)
    total = p.sum(axis=1, dtype=np.float64)
    if (total > 1 + SLACK).any():
        raise WrongProbabilities(f"the probabilities of a query's cells sum to {total.max():.4g}, more than 1")
    cell = np.sort(
        np.where(p > 0, axes[0].astype(np.int64) * (grid.height + 1) + axes[1], -np.arange(1, p.shape[1] + 1))
    )
    if (np.diff(cell, axis=1) == 0).any():
        raise WrongProbabilities("a cell stands twice among a query's cells")
    return CellProbabilities(*axes, p / np.maximum(1.0, total)[:, None])


def _numbers(name: str, table: object, shape: tuple[int, int]) -> np.ndarray:
    found = np.asarray(table)
    if found.shape != shape or found.dtype.kind != "f":
        raise WrongProbabilities(f"{name} is {found.dtype} {found.shape}; floating-point numbers {shape} are needed")
    if not np.isfinite(found).all() or (found < 0).any():
        raise WrongProbabilities(f"{name} holds what is no probability: below 0, infinite or no number")
    return found
