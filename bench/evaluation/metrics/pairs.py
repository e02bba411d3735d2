"""What a metric sees: predicted beside true cells, row by row, with days and users as offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.data.trajectories import Trajectories
from bench.data.world import World
from bench.errors import UserError

FARTHEST = 1 << 15  # no grid is wider; squared distances stay within int32


@dataclass(frozen=True, eq=False)
class Pairs:
    """Predicted cells x, y (int32) beside the truth, rows as the truth stands (sorted by user and time).

    missed: bool per row; such a row's prediction counts as the worst there is, whatever x and y say. threads: for the
    compiled metrics; None for all cores. ranked: (rows, most, 2), the cells held likeliest, best first; None where x, y
    is all that was said. Build with :meth:`of`.
    """

    truth: Trajectories
    x: np.ndarray
    y: np.ndarray
    missed: np.ndarray
    world: World
    threads: int | None = None
    ranked: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        truth: Trajectories,
        missed: np.ndarray | None = None,
        world: World | None = None,
        threads: int | None = None,
        ranked: np.ndarray | None = None,
    ) -> Pairs:
        """Check and convert. Raises UserError on another number of rows or a prediction that is no whole number."""
        missed = np.zeros(len(truth), dtype=bool) if missed is None else missed
        x, y, missed = np.asarray(x), np.asarray(y), np.array(missed, dtype=bool)
        for name, column in (("x", x), ("y", y), ("missed", missed)):
            if len(column) != len(truth):
                raise UserError(f"prediction: {name} has {len(column)} rows, the truth {len(truth)}; give one each")
        for name, column in (("x", x), ("y", y)):
            _check(name, column, missed)
        x, y = (np.where(missed, 0, column).astype(np.int32) for column in (x, y))
        return cls(truth, x, y, missed, world or World(), threads, ranked)

    @cached_property
    def truth_x(self) -> np.ndarray:
        """The true x, int32."""
        return self.truth.x.astype(np.int32)

    @cached_property
    def truth_y(self) -> np.ndarray:
        """The true y, int32."""
        return self.truth.y.astype(np.int32)

    @cached_property
    def day_starts(self) -> np.ndarray:
        """Offsets of the users' days among the rows, int64 (days + 1)."""
        change = np.zeros(len(self.truth) + 1, dtype=bool)
        change[self.truth.starts] = True
        change[1:-1] |= self.truth.d[1:] != self.truth.d[:-1]
        return np.flatnonzero(change).astype(np.int64)

    @cached_property
    def first_days(self) -> np.ndarray:
        """Offsets of the users among the days, int64 (users + 1)."""
        return np.searchsorted(self.day_starts, self.truth.starts).astype(np.int64)

    @property
    def days(self) -> int:
        """How many days there are, counted per user."""
        return len(self.day_starts) - 1

    @property
    def days_per_user(self) -> np.ndarray:
        """How many days each user has."""
        return np.diff(self.first_days)

    @property
    def points_per_user(self) -> np.ndarray:
        """How many rows each user has."""
        return np.diff(self.starts)

    @property
    def starts(self) -> np.ndarray:
        """Offsets of the users among the rows, (users + 1)."""
        return self.truth.starts

    @property
    def diagonal_km(self) -> float:
        """Distance between the corners of the grid: no two cells are farther apart."""
        grid = self.world.grid
        return float(np.hypot(grid.width - 1, grid.height - 1)) * grid.cell_km

    @cached_property
    def error_km(self) -> np.ndarray:
        """Distance of each predicted from its true cell; the grid's diagonal where the row was missed."""
        away = np.hypot(self.x - self.truth_x, self.y - self.truth_y) * self.world.grid.cell_km
        return np.where(self.missed, self.diagonal_km, away)

    def mean_by_user(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of a row-wise quantity over each user's rows."""
        return np.add.reduceat(values, self.starts[:-1]) / self.points_per_user

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Return a row-wise quantity as one array per user."""
        return np.split(values, self.starts[1:-1])


def _check(name: str, column: np.ndarray, missed: np.ndarray) -> None:
    """Raise UserError for a prediction that is no whole number, or beyond every grid."""
    bad = np.flatnonzero(~missed & ~np.isfinite(column))
    if len(bad):
        raise UserError(f"prediction: {name} is not a number in row {bad[0]}; answer it or mark it missed")
    near = (column > -FARTHEST) & (column < FARTHEST)
    whole = column == np.floor(column) if column.dtype.kind == "f" else True
    bad = np.flatnonzero(~missed & ~(near & whole))
    if len(bad):
        told = f"{name} is {column[bad[0]]} in row {bad[0]}"
        raise UserError(f"prediction: {told}, no whole number of cells; round it, or mark it missed")
