"""How far a model agrees with itself: its answers with one seed against those with the other seeds in the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bench.data.trajectories import Queries, Trajectories
from bench.data.world import World
from bench.evaluation import answers as checks
from bench.evaluation import bootstrap, metrics
from bench.records.record import Agreement
from bench.records.store import read_answers
from bench.running.plan import Planned, answers_of_seed

if TYPE_CHECKING:
    from bench.running.scoring import ScoringContext

GEOBLEU, SAME = "geobleu@grid", "accuracy@v1"


def agreement(case: Planned, said: checks.Filled, context: ScoringContext) -> Iterator[Agreement]:
    """Yield the agreement with every other seed of the protocol whose answers are stored.

    Cases are scored as they end, so at least the later record of two seeds holds the pair. The lower seed's answers
    serve as the truth.
    """
    split, fallback = case.prepared.split, context.protocol.answers.fallback
    world = split.world(split.test_city)
    for seed in context.protocol.seeds:
        answers = answers_of_seed(case, seed)
        path = context.store.answers(answers)
        if seed == case.seed or not path.exists():
            continue
        other = checks.fill(read_answers(path), split.history, split.queries, fallback, world.grid)
        first, second = (said, other) if case.seed < seed else (other, said)
        yield Agreement(seed=seed, answers=answers, **_compared(first, second, split.queries, world))


def _compared(first: checks.Filled, second: checks.Filled, queries: Queries, world: World) -> dict[str, float | None]:
    """Score the second answers with the first as the truth."""
    stand_in = Trajectories(queries.cities, queries.city, queries.uid, queries.d, queries.t, first.x, first.y)
    frame = metrics.score_users(second.x, second.y, stand_in, (SAME, GEOBLEU), world=world)
    same = frame[SAME].to_numpy(float)
    owners = frame["uid"].to_numpy() // world.uids_a_user
    low, high = bootstrap.interval(bootstrap.over_users(same[:, None], str(frame["city"].iloc[0]), owners=owners))
    known = bool(np.isfinite(low[0]))
    return {
        "same_cell": float(same.mean()),
        "same_low": float(low[0]) if known else None,
        "same_high": float(high[0]) if known else None,
        "geobleu": float(frame[GEOBLEU].mean()),
    }
