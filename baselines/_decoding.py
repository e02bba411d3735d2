"""How a model that gives shares or samples chooses its answer: the settings and one call, the same for all of them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from bench.adapters.adapter import Context, Settings
from bench.data.trajectories import Queries
from bench.evaluation.decoding import Objective, Version, Way, from_shares, objective


class DecodeSettings(Settings):
    """The way to answer; only predict looks at it."""

    predicts_with: ClassVar[frozenset[str]] = frozenset({"decode", "score", "distance", "samples"})

    decode: Way = Field(
        "proximity",
        description="slot: the likeliest cell; proximity: highest expected exp(-0.5 cells); expected_geobleu: the day "
        "of highest expected score; sample: one drawn day",
    )
    score: Version = Field("humob24", description="the GEO-BLEU that expected_geobleu aims at")
    distance: float | None = Field(
        None,
        ge=0,
        description="weight of a kilometre in expected_geobleu; more lowers DTW; none: the score's own",
    )
    samples: int = Field(64, ge=1, description="days drawn for expected_geobleu; more are steadier, and cost time")

    @property
    def aim(self) -> Objective:
        """The objective of expected_geobleu."""
        return objective(self.score, self.distance)


def choose(
    shares: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    queries: Queries,
    settings: DecodeSettings,
    ctx: Context,
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of one user's answers; shares, x, y: (queries, choices)."""
    rng = ctx.rng("days", *queries.users[0])
    best = from_shares(shares, x, y, queries.d, settings.decode, settings.aim, settings.samples, rng, ctx.grid.cell_km)
    rows = np.arange(len(best))
    return x[rows, best], y[rows, best]
