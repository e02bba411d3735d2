"""One answer of a user, or several sampled ones and their consensus."""

from __future__ import annotations

from dataclasses import replace

from bench.adapters.adapter import Context
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.evaluation.decoding import objective
from bench.evaluation.decoding.consensus import consensus
from models.llama_mob.answering import Answering, Engines, Usage
from models.llama_mob.base.base import Loaded
from models.llama_mob.settings import LlamaMobSettings


def answer(
    ready: Loaded, settings: LlamaMobSettings, ctx: Context, engines: Engines, history: Trajectories, queries: Queries,
    shown: Trajectories | None = None,
) -> tuple[Answers, Usage]:  # fmt: skip
    """Return all users' answers and what they took; of several samples, the day of highest expected GEO-BLEU.

    shown: as ``Answering`` has them.
    The first sample is the one that is drawn where one is asked for. The raw text is that of all samples, one below the
    other.
    """
    drawn = []
    for i in range(settings.decoding.samples):
        seed = ctx.seed_for("sample", i) if i else ctx.seed
        drawn.append(Answering(ready.model, ready.tokens, settings, replace(ctx, seed=seed), engines, shown))
    given = [one.answer(history, queries) for one in drawn]
    runs = [answers for answers, _spent in given]
    if len(runs) == 1:
        return given[0]
    aim, parts = objective("humob24"), []
    for begin, end in zip(queries.starts[:-1], queries.starts[1:], strict=True):
        rows = slice(begin, end)
        said = [Answers(run.x[rows], run.y[rows], run.status[rows]) for run in runs]
        parts.append(consensus(said, queries.take(rows), "expected_geobleu", aim, ctx.grid.cell_km))
    raw = {user: "\n\n".join(run.raw[user] for run in runs) for user in runs[0].raw}
    return replace(Answers.concat(parts), raw=raw), _added([spent for _answers, spent in given])


def _added(spent: list[Usage]) -> Usage:
    """Add up what the samples took; of margins the smallest counts, and users count once."""
    total: Usage = {}
    for usage in spent:
        for name, value in usage.items():
            total[name] = total.get(name, 0.0) + value
    for name in {"users", "smallest_margin"} & total.keys():
        total[name] = min(usage[name] for usage in spent if name in usage)
    return total
