"""forest: a random forest per user that chooses among the user's own cells (a per-user model of HuMob 2024)."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines.statistics._kernel import proximity, smoothed, winners
from baselines.statistics._votes import Places
from bench.adapters import adapter
from bench.adapters.adapter import Context, Needs, PerUser
from bench.adapters.origin import Tuned, constants_tuned
from bench.data.trajectories import Queries, Trajectories


class Forest(PerUser):
    """Classify each query by slot, weekday and day type; recent points weigh more.

    The trees' shares are smoothed over cells with exp(-distance in km), so that the answer has the highest expected
    proximity to the truth.
    """

    name: ClassVar[str] = "forest"
    needs: ClassVar[Needs] = Needs(packages=("sklearn",))

    class Settings(adapter.Settings):
        """Of scikit-learn's random forest; the defaults were tuned on days 45-59 of city B (HuMob 2024)."""

        trees: int = Field(30, ge=1, description="trees in the forest")
        least_points: int = Field(5, ge=1, description="points in a leaf at least")
        tau: float = Field(60.0, gt=0, description="days after which a point's weight falls to 1/e")

    settings: Settings

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose days chose the defaults."""
        return (constants_tuned("the trees' number and leaves, and how fast points age"),)

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Fit the user's forest and return the place with the highest smoothed share."""
        from sklearn.ensemble import RandomForestClassifier

        places = Places.of(history)
        forest = RandomForestClassifier(
            n_estimators=self.settings.trees,
            min_samples_leaf=self.settings.least_points,
            random_state=ctx.seed_for("forest", *queries.users[0]) % 2**32,
        )
        elapsed = ctx.calendar.elapsed(history.d)
        age = (elapsed[-1] - elapsed).astype(np.float64)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # few points in many cells
            forest.fit(_features(history, ctx), places.row, sample_weight=np.exp(-age / self.settings.tau))
        share = smoothed(forest.predict_proba(_features(queries, ctx)), proximity(places, ctx.grid))
        return places.at(winners(share))


def _features(rows: Queries, ctx: Context) -> np.ndarray:
    """Return slot, weekday and day type, shape (rows, 3)."""
    return np.stack([rows.t, ctx.calendar.weekday(rows.d), ctx.calendar.is_off(rows.d)], axis=1)
