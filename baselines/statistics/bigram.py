"""bigram: from the last cell to the successor it most often had at that slot (GIS Cup 2025's second baseline)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from baselines.statistics._votes import Places
from bench.adapters import adapter
from bench.adapters.adapter import Context, PerUser
from bench.data.trajectories import Queries, Trajectories

Counts = dict[int, int]  # place -> how often it followed


class Bigram(PerUser):
    """Walk through the queries from the history's last cell; stay where (cell, slot) has no known successor."""

    name: ClassVar[str] = "bigram"

    class Settings(adapter.Settings):
        """How the successor is chosen."""

        top_p: float = Field(
            0.0, ge=0, le=1, description="0: the most frequent; else drawn among the most frequent of this total share"
        )

    settings: Settings

    def answer(self, history: Trajectories, queries: Queries, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Return the walk's cell at every query."""
        places = Places.of(history)
        follow = _successors(places.row, history.t)
        draws = ctx.rng("bigram", *queries.users[0]).random(len(queries)) if self.settings.top_p else None
        here, walk = int(places.row[-1]), np.empty(len(queries), np.int64)
        for i, slot in enumerate(queries.t.tolist()):
            counts = follow.get((here, slot))
            if counts:
                here = _nucleus(counts, self.settings.top_p, draws[i]) if draws is not None else _most(counts)
            walk[i] = here
        return places.at(walk)


def _successors(place: np.ndarray, slot: np.ndarray) -> dict[tuple[int, int], Counts]:
    """Count which place followed each (place, slot of the follower); the first seen comes first."""
    follow: dict[tuple[int, int], Counts] = {}
    for before, after, at in zip(place[:-1].tolist(), place[1:].tolist(), slot[1:].tolist(), strict=True):
        counts = follow.setdefault((before, at), {})
        counts[after] = counts.get(after, 0) + 1
    return follow


def _most(counts: Counts) -> int:
    """Return the most frequent place, the first seen among equals."""
    return max(counts, key=counts.__getitem__)


def _nucleus(counts: Counts, top_p: float, draw: float) -> int:
    """Draw (``draw`` in [0, 1)) from the fewest most frequent places whose share reaches ``top_p``."""
    ranked = sorted(counts, key=lambda place: -counts[place])
    share = np.cumsum([counts[place] for place in ranked]) / sum(counts.values())
    last = int(np.searchsorted(share, top_p))
    return ranked[int(np.searchsorted(share, draw * share[last], side="right"))]
