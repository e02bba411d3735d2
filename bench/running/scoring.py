"""From stored answers and costs to a record: fill gaps, score every user, summarise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.adapters.origin import Learning
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.data.world import World, not_humob
from bench.evaluation import answers as checks
from bench.evaluation import bootstrap, metrics
from bench.evaluation.metrics import groups, slices
from bench.files import write_with
from bench.protocol.schema import Protocol
from bench.records.provenance import machine, provenance
from bench.records.record import AnswerCounts, Corpus, Cost, Data, Record, Score, SliceScore, Usage
from bench.records.store import Run, Store, read_answers, read_json
from bench.running import losses
from bench.running.agreement import agreement
from bench.running.hardware import Hardware
from bench.running.plan import Planned
from bench.running.recording import describe_planned
from bench.running.splits import Prepared

MISSES = "|misses_as_zero"


@dataclass(frozen=True)
class ScoringContext:
    """What scoring needs besides the case."""

    protocol: Protocol
    source: Source
    store: Store
    run: Run
    where: Hardware
    fingerprints: dict[str, str] = field(default_factory=dict)

    def fingerprint(self, city: str) -> str:
        """Hash of a whole city's table, made once."""
        if city not in self.fingerprints:
            self.fingerprints[city] = self.source.load(city).fingerprint()
        return self.fingerprints[city]


def done_record(case: Planned, context: ScoringContext) -> Record:
    """Score a case whose answers and cost are in the store; write its per-user scores; return its record."""
    protocol, store, ids = context.protocol, context.store, case.identity
    split = case.prepared.split
    world = split.world(split.test_city)
    given = read_answers(store.answers(ids.answers))
    filled = checks.fill(given, split.history, split.queries, protocol.answers.fallback, world.grid)
    wanted = [name for name in (protocol.metrics.main, *protocol.metrics.also) if name not in losses.METRICS]
    frame = _score(filled, case.prepared.truth, wanted, world)
    lost = losses.per_user(case, store, protocol)
    frame = frame.assign(**lost)
    quarters = groups.user_groups(split.history, world.grid)
    sliced = _slices(filled, case, wanted, world)
    path, by_slice = context.run.scores_path(ids.answers), context.run.slices_path(ids.answers)
    write_with(path, lambda part: frame.to_parquet(part, index=False))
    write_with(by_slice, lambda part: sliced.to_parquet(part, index=False))
    cost = read_json(store.cost(ids.cost))
    facts, learning = cost.pop("facts"), Learning.model_validate(cost.pop("learning"))
    return Record(
        status="done",
        identity=ids,
        case=describe_planned(case, protocol),
        data=_data(case, context),
        main=protocol.metrics.main,
        scores={name: summarise(frame, quarters, name, sliced, world) for name in (*wanted, *lost)},
        corpus=_corpus(filled, case.prepared.truth, world),
        agreement=tuple(agreement(case, filled, context)),
        answers=_counts(filled, protocol),
        cost=_cost(case, cost, context),
        learning=learning,
        facts=facts,
        confined=_confined(case, context.store),
        numerics={"precision": case.model.precision, **_of_losses(case, context)},
        files={
            "scores": path.relative_to(context.run.folder).as_posix(),
            "slices": by_slice.relative_to(context.run.folder).as_posix(),
            "answers": store.answers(ids.answers).relative_to(store.folder).as_posix(),
        },
        machine=machine(),
        provenance=provenance(case.model.source),
    )


def _score(filled: checks.Filled, truth: Trajectories, wanted: Sequence[str], world: World) -> pd.DataFrame:
    """Score the filled answers, and once more with misses as zero: columns ``name|misses_as_zero``."""
    frame = metrics.score_users(filled.x, filled.y, truth, wanted, world=world, ranked=filled.ranked)
    strict = frame
    if filled.missed.any():
        strict = metrics.score_users(
            filled.x, filled.y, truth, wanted, missed=filled.missed, world=world, ranked=filled.ranked
        )
    return frame.assign(**{f"{name}{MISSES}": strict[name] for name in wanted})


def _slices(filled: checks.Filled, case: Planned, wanted: Sequence[str], world: World) -> pd.DataFrame:
    """Score the filled answers by slice of the truth."""
    split, truth = case.prepared.split, case.prepared.truth
    kinds = list(slices.slices_of(truth, split.history, world, split.window))
    return slices.score_slices(filled.x, filled.y, truth, wanted, kinds, world, filled.ranked)


def _corpus(filled: checks.Filled, truth: Trajectories, world: World) -> dict[str, Corpus]:
    """Score all users together."""
    found = metrics.score_corpus(filled.x, filled.y, truth, world)
    about = metrics.CORPUS
    return {
        name: Corpus(**part._asdict(), unit=about[name].unit, better=about[name].better) for name, part in found.items()
    }


def _of_losses(case: Planned, context: ScoringContext) -> dict[str, str]:
    """Say how nats a cell were computed, or why not; nothing if they are not wanted or not given."""
    if not losses.given_by(case, context.protocol):
        return {}
    noted = losses.about(case, context.store)
    return {"nats": "; ".join(text if key == "context" else f"{key}: {text}" for key, text in noted.items())}


def summarise(frame: pd.DataFrame, quarters: pd.DataFrame, name: str, sliced: pd.DataFrame, world: World) -> Score:
    """Return mean, 95 % interval over users, median, and means by group of users and by slice."""
    metric = metrics.get(name)
    values = frame[name].to_numpy(dtype=float)
    people, owners = world.people or str(frame["city"].iloc[0]), frame["uid"].to_numpy() // world.uids_a_user
    low, high = bootstrap.interval(bootstrap.over_users(values[:, None], people, owners=owners))
    known = bool(np.isfinite(low[0]))
    parts = slices.means(sliced, name, people, world.uids_a_user) if name in sliced else {}  # none of probabilities
    return Score(
        mean=float(np.nanmean(values)),
        low=float(low[0]) if known else None,
        high=float(high[0]) if known else None,
        median=float(np.nanmedian(values)),
        misses_as_zero=float(frame[f"{name}{MISSES}"].mean()) if f"{name}{MISSES}" in frame else None,
        unit=metric.unit,
        better=metric.better,
        groups=groups.group_means(frame, quarters, name),
        slices={key: SliceScore(**part._asdict()) for key, part in parts.items()},
    )


def _data(case: Planned, context: ScoringContext) -> Data:
    prepared, source = case.prepared, context.source
    split = prepared.split
    cities = dict.fromkeys((*(split.train_cities if case.model.learns else ()), split.test_city))
    return Data(
        source=source.spec,
        synthetic=source.synthetic,
        fingerprint={city: context.fingerprint(city) for city in cities},
        parts=dict(case.parts),
        worlds=not_humob(split.worlds),
        train_users=_users(prepared, "train"),
        validate_users=_users(prepared, "validate"),
        test_users=_users(prepared, "test"),
        test_points=len(split.queries),
        notes=prepared.notes,
    )


def _users(prepared: Prepared, role: str) -> int:
    return int(prepared.users[role])


def _counts(filled: checks.Filled, protocol: Protocol) -> AnswerCounts:
    asked, missed = len(filled.x), int(filled.missed.sum())
    return AnswerCounts(
        asked=asked,
        ok=asked - missed,
        invalid=filled.invalid,
        missing=filled.missing,
        filled=missed,
        coverage=(asked - missed) / asked if asked else 1.0,
        fallback=protocol.answers.fallback,
        most_filled=protocol.answers.most_filled,
    )


def _confined(case: Planned, store: Store) -> bool | None:
    """Whether fit and answers both came from a confined worker; None if an older store does not say."""
    ids = case.identity
    said = [
        read_json(path).get("confined")
        for path in (_fit_file(case, store), store.answers(ids.answers).with_suffix(".json"))
    ]
    return None if None in said else all(said)


def _fit_file(case: Planned, store: Store) -> Path:
    return store.fit(case.identity.fit) / "fit.json"


def _cost(case: Planned, measured: dict[str, Any], context: ScoringContext) -> Cost:
    fit = read_json(_fit_file(case, context.store))
    answered = read_json(context.store.answers(case.identity.answers).with_suffix(".json"))
    peaks = ("peak_memory_mb", "peak_gpu_memory_mb")
    highest = {name: max((v for v in (fit[name], measured[name]) if v is not None), default=None) for name in peaks}
    used = {**measured.pop("usage", {}), "answering": answered.get("usage", {})}
    return Cost(
        device=context.where.hardware,
        threads=context.where.threads,
        batch_users=case.model.batch_users,
        fit_seconds=fit["fit_seconds"],
        predict_seconds=answered["predict_seconds"],
        usage=Usage(**used) if any(used.values()) else None,
        **{**measured, **highest},
    )
