"""The control that takes away what a coordinate means: columns and rows of the grid renamed at random, once for all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bench.data.trajectories import Trajectories
from bench.data.world import Grid

SEED = 20241  # the same renaming in every fit: a base meets it in training and in the test


@dataclass(frozen=True)
class Permutation:
    """A bijection of 1..width for x and one of 1..height for y; int64, entry 0 is unused."""

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, grid: Grid) -> Permutation:
        """Return the grid's permutation."""
        rng = np.random.default_rng([SEED, grid.width, grid.height])
        return cls(*(np.concatenate([[0], 1 + rng.permutation(size)]) for size in (grid.width, grid.height)))

    def apply(self, table: Trajectories) -> Trajectories:
        """Rename the cells of a table."""
        return replace(table, x=self.x[table.x].astype(np.int16), y=self.y[table.y].astype(np.int16))

    def undo(self, cells: np.ndarray) -> np.ndarray:
        """Return the true cells (n, 2) of renamed ones."""
        return np.stack([np.argsort(self.x)[cells[:, 0]], np.argsort(self.y)[cells[:, 1]]], axis=1)
