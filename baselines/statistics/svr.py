"""svr: two support vector regressions per user, one for x and one for y (a per-user model of HuMob 2023 and 2024)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.adapters import adapter
from bench.adapters.adapter import Context, Needs, PerUser
from bench.adapters.origin import Tuned, constants_tuned
from bench.data.trajectories import Queries, Trajectories


class Svr(PerUser):
    """Regress x and y, in cells from the user's median, on the time of day, weekday, day type and date; round."""

    name: ClassVar[str] = "svr"
    needs: ClassVar[Needs] = Needs(packages=("sklearn",))

    class Settings(adapter.Settings):
        """Of scikit-learn's SVR with the RBF kernel; the defaults were tuned on days 45-59 of city B (HuMob 2024)."""

        c: float = Field(3.0, gt=0, description="C: how much an error outside the tube costs")
        epsilon: float = Field(0.1, ge=0, description="half the tube's width in cells: errors within it are free")
        gamma: float = Field(0.1, gt=0, description="of the kernel, for features of a size of about 1")
        points: int = Field(1500, ge=1, description="the most recent points of the history that are learned from")

    settings: Settings

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose the defaults."""
        return (constants_tuned("C, epsilon, gamma and the number of points"),)

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Fit both regressions and return their rounded values within the grid."""
        from sklearn.svm import SVR

        recent = history.take(slice(-self.settings.points, None))
        seen, asked = (_features(rows, ctx, int(recent.d[-1])) for rows in (recent, queries))
        answer = []
        for cells, size in ((recent.x, ctx.grid.width), (recent.y, ctx.grid.height)):
            middle = np.median(cells)
            machine = SVR(C=self.settings.c, epsilon=self.settings.epsilon, gamma=self.settings.gamma)
            machine.fit(seen, cells - middle)
            answer.append(np.clip(np.rint(machine.predict(asked) + middle), 1, size))
        return answer[0], answer[1]


def _features(rows: Queries, ctx: Context, last_day: int) -> np.ndarray:
    """Return time of day and weekday as points on circles, day type, and date in months, shape (rows, 8)."""
    hour = 2 * np.pi * rows.t / ctx.grid.slots
    week = 2 * np.pi * ctx.calendar.weekday(rows.d) / 7
    off = ctx.calendar.is_off(rows.d).astype(float)
    columns = (
        *(np.sin(hour), np.cos(hour), np.sin(2 * hour), np.cos(2 * hour)),
        *(0.5 * np.sin(week), 0.5 * np.cos(week)),
        off,
        (rows.d - last_day) / 30,
    )
    return np.stack(columns, axis=1)
