"""What a ranker sees of points of interest around a place: how many, and whether such ones draw people at that hour.

Categories mean the same in every city, so what is learned of them in one holds for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.adapters.adapter import Context
from bench.data.poi import CATEGORIES, Poi
from bench.data.trajectories import Queries, Trajectories

FILE = "affinity.npz"
HOURS = 12  # parts of a day, of off-days and of others apart
FEATURES = 3


@dataclass(frozen=True)
class Surroundings:
    """Of each cell of a city, [y - 1, x - 1].

    inside, around: log(1 + points) in it, and in the 3 x 3 cells around it; shares: of each category in these nine.
    """

    inside: np.ndarray
    around: np.ndarray
    shares: np.ndarray

    @classmethod
    @lru_cache(maxsize=8)  # one call of predict after the other asks for the same tables
    def of(cls, poi: Poi) -> Surroundings:
        """Count them."""
        counts = poi.counts().astype(np.float32)
        padded = np.pad(counts, ((1, 1), (1, 1), (0, 0)))
        height, width, _ = counts.shape
        near = np.zeros_like(counts)
        for dy, dx in np.ndindex(3, 3):
            near += padded[dy : dy + height, dx : dx + width]
        total = near.sum(axis=2)
        shares = near / np.maximum(total, 1.0)[:, :, None]
        return cls(np.log1p(counts.sum(axis=2)), np.log1p(total), shares)


@dataclass(frozen=True)
class Affinity:
    """How much likelier people are near a category at an hour than at any: (2 * HOURS, CATEGORIES), less 1."""

    table: np.ndarray

    @classmethod
    def learn(cls, train: Trajectories, cities: Mapping[str, Surroundings], ctx: Context) -> Affinity:
        """Learn it from the rows of the training users, every city with the same weight a row."""
        seen, rows = np.zeros((2 * HOURS, CATEGORIES)), np.zeros(2 * HOURS)
        for code, city in enumerate(train.cities):
            here = train.take(train.city == code)
            hours, shares = _hours(here, ctx.at(city)), cities[city].shares
            for hour in range(2 * HOURS):
                at = hours == hour
                seen[hour] += shares[here.y[at] - 1, here.x[at] - 1].sum(axis=0)
                rows[hour] += at.sum()
        usual = (seen.sum(axis=0) + 1.0) / (rows.sum() + CATEGORIES)
        return cls(((seen + 50.0 * usual) / (rows[:, None] + 50.0) / usual - 1.0).astype(np.float32))

    def features(self, x: np.ndarray, y: np.ndarray, queries: Queries, city: Surroundings, ctx: Context) -> np.ndarray:
        """Return (queries, k, FEATURES) of candidates x, y of shape (queries, k)."""
        row, column = y - 1, x - 1
        fit = np.einsum("qkc,qc->qk", city.shares[row, column], self.table[_hours(queries, ctx)])
        return np.stack([city.inside[row, column], city.around[row, column], fit], axis=2)

    def save(self, folder: Path) -> None:
        """Write ``affinity.npz``."""
        np.savez(folder / FILE, table=self.table)

    @classmethod
    def load(cls, folder: Path) -> Affinity:
        """Read what :meth:`save` wrote."""
        with np.load(folder / FILE, allow_pickle=False) as file:
            return cls(file["table"])


def _hours(rows: Queries, ctx: Context) -> np.ndarray:
    """Return the part of the day of each row, off-days after the others."""
    return ctx.calendar.is_off(rows.d) * HOURS + rows.t.astype(np.int64) * HOURS // ctx.grid.slots
