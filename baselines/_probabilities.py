"""From what a model holds of a user's own places to probabilities over the grid (``nats@v1``).

A place's votes say little of cells that were never visited, which hold a seventh of the points of a whole window and
more of a short one. So four shares are mixed: the model's own over places, how often each place was visited, the cells
around visited ones (a point lies beside a place more often than anywhere else), and all cells alike. How much of each:
by expectation maximisation on 120 synthetic people of cities that no protocol uses (seeds 1234, 1240, 1250; 60 days
seen, 15 asked).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.statistics._votes import Places
from bench.data.trajectories import Queries, Trajectories, by_user
from bench.data.world import Grid
from bench.evaluation.probabilities import CellProbabilities

AROUND = 30  # places whose surroundings are listed, the most frequent ones
RINGS = {
    1: [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)],
    2: [(i, j) for i in range(-2, 3) for j in range(-2, 3) if max(abs(i), abs(j)) == 2],
}


@dataclass(frozen=True)
class Mixture:
    """Weights of a model's own shares, the visits, and the first and second ring; the rest is for all cells alike."""

    own: float
    visits: float
    near: float
    next: float


def of_users(
    history: Trajectories, queries: Queries, one: Callable[[Trajectories, Queries], CellProbabilities]
) -> CellProbabilities:
    """Ask user by user; who has no history gets a uniform guess."""
    parts = []
    for _user, past, asked in by_user(history, queries):
        nothing = np.zeros((len(asked), 0))
        parts.append(
            one(past, asked)
            if len(past)
            else CellProbabilities(nothing.astype(np.int16), nothing.astype(np.int16), nothing)
        )
    return joined(parts)


def joined(parts: Sequence[CellProbabilities]) -> CellProbabilities:
    """Put users one behind the other, rows filled up to one width."""
    width = max((part.p.shape[1] for part in parts), default=0)

    def column(name: str, kind: type) -> np.ndarray:
        padded = [np.pad(getattr(part, name), ((0, 0), (0, width - part.p.shape[1]))) for part in parts]
        return np.concatenate(padded).astype(kind) if padded else np.zeros((0, width), kind)

    return CellProbabilities(column("x", np.int16), column("y", np.int16), column("p", np.float32))


def mixed(own: np.ndarray, places: Places, grid: Grid, mixture: Mixture) -> CellProbabilities:
    """Mix a model's shares of one user's places, (queries, places) in any scale, with where the user is at all."""
    own = own / own.sum(axis=1, keepdims=True)
    visits = np.bincount(places.row, minlength=len(places)) / len(places.row)
    most = np.argsort(-visits, kind="stable")[:AROUND]
    cells, mass = [_code(places.x, places.y)], [mixture.visits * visits]
    for ring, weight in ((1, mixture.near), (2, mixture.next)):
        for dx, dy in RINGS[ring]:
            x, y = places.x[most] + dx, places.y[most] + dy
            inside = (x >= 1) & (x <= grid.width) & (y >= 1) & (y <= grid.height)
            cells.append(_code(x, y)[inside])
            mass.append(weight / len(RINGS[ring]) * visits[most][inside])
    listed, number = np.unique(np.concatenate(cells), return_inverse=True)
    always = np.bincount(number, np.concatenate(mass), len(listed))
    p = np.tile(always.astype(np.float32), (len(own), 1))
    p[:, number[: len(places)]] += (mixture.own * own).astype(np.float32)
    shape = p.shape
    x, y = (np.broadcast_to(axis.astype(np.int16), shape) for axis in (listed >> 32, listed & 0xFFFFFFFF))
    return CellProbabilities(x, y, p)


def over_places(p: np.ndarray, x: np.ndarray, y: np.ndarray, places: Places) -> np.ndarray:
    """Return shares of candidates x, y (queries, k), all of them places of the user, as (queries, places)."""
    codes = _code(places.x, places.y)
    order = np.argsort(codes)
    index = order[np.searchsorted(codes[order], _code(x, y))]
    out = np.zeros((len(p), len(places)))
    np.put_along_axis(out, index, p, axis=1)
    return out


def _code(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.int64) << 32 | np.asarray(y, np.int64)
