"""The worker's side of the losses: it asks a fitted model for the probability of each cell, some users at a time.

It runs in a separate process after all answers of its cases are in the store, and its folders are deleted afterwards.
So a model cannot have seen this data when it answered (losses.py, docs/trust.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.trajectories import Queries, Trajectories
from bench.running.tables import read_table, write_probabilities

if TYPE_CHECKING:
    from bench.running.worker import Worker

MOST_ROWS = 20_000  # queries at a time: 32 MB where both axes are given


def tell(worker: Worker, asks: Sequence[dict[str, Any]]) -> None:
    """Load the fit and answer the questions in order. An error ends only the questions of its case."""
    worker.begin("predict_seconds")
    worker.load()
    for ask in asks:
        try:
            _tell(worker, ask)
        except Exception as error:
            worker.failed(ask, error)


def _tell(worker: Worker, ask: dict[str, Any]) -> None:
    adapter = worker.adapter
    history, queries = read_table(Path(ask["history"]), Trajectories), read_table(Path(ask["queries"]), Queries)
    shown = read_table(Path(ask["shown"]), Trajectories) if ask["shown"] else None
    worker.begin("predict_seconds")
    ctx = worker.context_of(ask, ask["label"])
    for first, last in chunks(queries, adapter.batch_users):
        ctx.check_time()
        ctx.progress(f"{ask['label']}: probabilities", first, len(queries.users))
        rows = slice(int(queries.starts[first]), int(queries.starts[last]))
        part = queries.take(rows)
        given = adapter.probabilities(
            history.only(part.users), part, ctx, shown.take(rows) if shown is not None else None
        )
        write_probabilities(Path(f"{ask['output']}.{first}.npz"), given)
        worker.voice.say("probabilities", cost_id=ask["cost_id"], ask=ask["name"], first=first, last=last)


def chunks(queries: Queries, users: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most ``users`` users, and of at most MOST_ROWS rows unless one user has more."""
    first, starts = 0, queries.starts
    for last in range(1, len(starts)):
        full = last == len(starts) - 1 or last - first == users or starts[last + 1] - starts[first] > MOST_ROWS
        if full:
            yield first, last
            first = last
