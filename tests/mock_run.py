"""Make a run's folder of records and scores with invented numbers: a leaderboard's input without fitting a model."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.adapters.origin import Learning, Tuned
from bench.records import record as records
from bench.records.record import AnswerCounts, Case, Cost, Data, Identity, Machine, Provenance, Record, Score, Usage

UNITS = {
    "geobleu@humob24": ("", "higher"),
    "dtw@humob24": ("km", "lower"),
    "geobleu@giscup25": ("", "higher"),
    "dtw@fixed": ("km", "lower"),
    "accuracy@v1": ("share", "higher"),
    "median_error@v1": ("km", "lower"),
}


FIRST_UID = 17600
WEIGHTLESS = Learning()


@dataclass(frozen=True)
class Model:
    """An invented model: how it learns and what it scores in the mean."""

    name: str
    bleu: float
    dtw: float
    dtw_humob24: float | None = None
    learns_from: str = "nothing"
    noise: float = 0.03
    seeds: tuple[int, ...] = (0,)
    seen: tuple[str, ...] = ()
    coverage: float = 1.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    fails: Mapping[str, str] = field(default_factory=dict)  # test city -> reason
    skips: Mapping[str, str] = field(default_factory=dict)
    alone: bool = True
    gpu: bool = False
    groups: bool = False
    passes: float | None = None  # forward passes a trajectory: a language model's
    tuned: tuple[Tuned, ...] = ()
    learning: Learning = WEIGHTLESS  # what a fit learned ...
    kept: tuple[str, ...] = ()  # ... but of these trainings the start was kept
    adapter: str | None = None  # none: the first word of the name


def scores_of(model: Model, city: str, training: str, seed: int, users: int) -> dict[str, np.ndarray]:
    """Invent per-user scores: users differ much, models differ less, and they share the users' difficulty."""
    easy = np.random.default_rng(zlib.crc32(city.encode())).normal(0, 1, users)
    who = f"{model.adapter}{city}start" if _is_start(model, training) else f"{model.name}{city}{training}{seed}"
    own = np.random.default_rng(zlib.crc32(who.encode()))
    bleu = np.clip(model.bleu + 0.12 * easy + own.normal(0, model.noise, users), 0.001, 1)
    dtw = np.maximum(model.dtw * np.exp(-0.6 * easy + own.normal(0, 4 * model.noise, users) - 0.18), 0.3)
    ratio = (model.dtw_humob24 or model.dtw * 0.55) / model.dtw
    found = {
        "geobleu@humob24": bleu,
        "dtw@humob24": dtw * ratio,
        "geobleu@giscup25": bleu * 0.66,
        "dtw@fixed": dtw,
        "accuracy@v1": np.clip(bleu * 0.8, 0, 1),
        "median_error@v1": dtw / 20,
    }
    for metric in list(UNITS)[:4]:
        worst = 0.0 if UNITS[metric][1] == "higher" else 100.0
        found[f"{metric}|misses_as_zero"] = model.coverage * found[metric] + (1 - model.coverage) * worst
    return found


def _is_start(model: Model, training: str) -> bool:
    untuned = model.learns_from == "nothing" and model.learning.start != "none"
    return untuned or training in model.kept


def make_record(
    model: Model,
    training: str,
    city: str,
    seed: int,
    *,
    users: int = 60,
    synthetic: bool = True,
    source: str = "humob:humob2024",
    train_users: int = 400,
) -> tuple[Record, dict[str, np.ndarray] | None]:
    """Invent one record and its scores (None unless it is done)."""
    key = f"{model.name}|{training}|{city}|{seed}|{train_users}"
    identity = f"{zlib.crc32(key.encode()):08x}"
    reason = model.fails.get(city) or model.skips.get(city)
    status = "failed" if city in model.fails else "skipped" if city in model.skips else "done"
    found = scores_of(model, city, training, seed, users) if status == "done" else None
    asked = users * 300
    record = Record(
        status=status,  # type: ignore[arg-type]
        reason=reason,
        identity=Identity(
            fit=f"{zlib.crc32(f'{model.name}{training}{seed}'.encode()):08x}", answers=identity, cost=identity
        ),
        case=_case(model, training, city, seed),
        data=Data(
            source="synthetic seed 1" if synthetic else source,
            synthetic=synthetic,
            train_users=train_users,
            validate_users=60,
            test_users=users,
            test_points=asked,
        )
        if status == "done"
        else None,
        main="geobleu@humob24",
        scores={name: _score(found[name], *UNITS[name], model.groups) for name in UNITS} if found else {},
        answers=_answers(model, asked) if found else None,
        cost=_cost(model, users) if found else None,
        learning=_learning(model, training) if found else None,
        facts=dict(model.facts),
        numerics={"precision": "float32"},
        files={"scores": f"scores/{identity}.parquet"} if found else {},
        machine=_machine(model),
        provenance=Provenance(
            bench_version="0.1.0", commit="abc123", dirty=False, adapter_source="0" * 64, created="2026-01-01T00:00:00Z"
        ),
    )
    return record, found


def _case(model: Model, training: str, city: str, seed: int) -> Case:
    return Case(
        protocol="mock",
        protocol_version=1,
        scale="laptop",
        model=model.name,
        adapter=model.adapter or model.name.split()[0],
        adapter_version=1,
        settings={},
        learns_from=model.learns_from,  # type: ignore[arg-type]
        seen=model.seen,
        tuned=model.tuned,
        train_cities=tuple(training.split("+")),
        train_days=(0, 74),
        test_city=city,
        seed=seed,
        history=(0, 59),
        horizon=(60, 74),
    )


def _answers(model: Model, asked: int) -> AnswerCounts:
    missing = round(asked * (1 - model.coverage))
    return AnswerCounts(
        asked=asked,
        ok=asked - missing,
        invalid=0,
        missing=missing,
        filled=missing,
        coverage=model.coverage,
        fallback="last_cell",
        most_filled=0.05,
    )


def _cost(model: Model, users: int) -> Cost:
    """What a case took: invented, longer names are slower."""
    return Cost(
        device="cuda" if model.gpu else "cpu",
        threads=2,
        batch_users=256,
        fit_seconds=None if model.learns_from == "nothing" else 41.25,
        predict_seconds=2.0,
        latency_median_s=0.0021 + len(model.name) / 1000,
        latency_p95_s=0.0042 + len(model.name) / 1000,
        latency_users=20,
        alone=model.alone,
        throughput_per_s=812.4,
        peak_memory_mb=640.0,
        peak_gpu_memory_mb=5120.0 if model.gpu else None,
        usage=_spent(model.passes, users) if model.passes else None,
    )


def _machine(model: Model) -> Machine:
    return Machine(
        cpu="Mock CPU @ 2.4 GHz",
        cores=2,
        memory_gb=24.0,
        gpu="Mock GPU 80GB" if model.gpu else None,
        system="Linux",
        python="3.11.9",
        packages={"numpy": "2.4.0"},
    )


def _learning(model: Model, training: str) -> Learning:
    """What the fit learned: nothing, where its start was kept."""
    given = model.learning
    if training in model.kept:
        return given.begin().after(epochs=2, kept_epoch=0, kept_step=0)
    return given


def _spent(passes: float, users: int) -> Usage:
    work = {"tokens_read": 7412.0, "tokens_fed": 1200.0, "drafted": 400.0, "accepted": 300.0, "forward_passes": passes}
    alone = {**work, "prefill_seconds": 0.4, "decode_seconds": passes / 100, "smallest_margin": 0.01}
    faults = {"users": float(users), "malformed": 1.0, "missing": 12.0, "surplus": 3.0, "out_of_range": 0.0}
    return Usage(alone=alone, batch={**alone, "decode_seconds": passes / 1000}, answering=faults)


def _score(values: np.ndarray, unit: str, better: str, groups: bool) -> Score:
    mean = float(values.mean())
    half = {"activity_q1": mean * 0.9, "activity_q4": mean * 1.1} if groups else {}
    return Score(mean=mean, low=mean, high=mean, median=float(np.median(values)), unit=unit, better=better, groups=half)  # type: ignore[arg-type]


def write_case(run: Path, record: Record, scores: dict[str, np.ndarray] | None) -> None:
    """Write a record and its scores as a run keeps them."""
    records.write(record, run / "records" / f"{record.identity.cost}.json")
    if scores is None:
        return
    users = len(next(iter(scores.values())))
    columns: dict[str, Any] = {
        "city": [record.case.test_city] * users,
        "uid": np.arange(users, dtype=np.int32) + FIRST_UID,
        "days": np.full(users, 15, np.int16),
        "points": np.full(users, 300, np.int32),
    }
    path = run / record.files["scores"]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, **scores}), path)


def make_run(
    run: Path, models: Sequence[Model], splits: Sequence[tuple[str, Sequence[str]]], **options: Any
) -> list[Record]:
    """Write a whole run: every model on every split (models that learn from nothing once a city), and its manifest."""
    made: dict[str, Record] = {}
    for model in models:
        for training, cities in splits:
            for city in cities:
                for seed in model.seeds:
                    part = splits[0][0] if model.learns_from == "nothing" else training
                    record, scores = make_record(model, part, city, seed, **options)
                    write_case(run, record, scores)
                    made[record.identity.cost] = record
    manifest = {"protocol": "mock", "version": 1, "scale": "laptop", "cases": list(made)}
    (run / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return list(made.values())


TYPICAL = (
    Model("user_mode", 0.203, 63.3, 17.7),
    Model("user_mean", 0.05, 66.0, 24.0),
    Model("slot_mode", 0.267, 47.2, 31.9),
    Model("weekday_slot_mode", 0.235, 53.9, 43.3),
    Model("offday_slot_mode", 0.270, 46.4),
    Model("kernel_vote", 0.279, 43.8, 24.7),
    Model("bigram", 0.12, 70.0, 50.0, facts={"parameters": 0}),
    Model("tt_knn", 0.18, 60.0),
    Model(
        "candidate_boosting", 0.288, 42.8, 21.8, learns_from="test histories", facts={"epochs": 1, "parameters": 31000}
    ),
    Model("svr", 0.19, 44.0, coverage=0.98),
    Model(
        "lp_bert fine-tuned",
        0.281,
        42.4,
        23.8,
        learns_from="train users",
        seeds=(0, 1, 2),
        facts={"epochs": 6, "parameters": 2456880, "trained_parameters": 2456880, "init": "pretrained"},
    ),
    Model(
        "lp_bert scratch",
        0.01,
        120.0,
        learns_from="train users",
        facts={"epochs": 2, "parameters": 2456880, "init": "scratch", "undertrained": "2 of 200 epochs"},
    ),
    Model("replay llama-3-8b", 0.297, 41.8, 20.6, seen=("C",), gpu=True, facts={"parameters": 8_030_261_248}),
    Model("llama_mob jump", 0.27, 47.0, passes=426.4),
    Model("llama_mob draft", 0.27, 47.0, passes=96.0),
    Model("gaps | [bold]x", 0.22, 55.0, coverage=0.8),
    Model("broken", 0.2, 50.0, learns_from="train users", fails={"D": "RuntimeError: boom | [red]x"}, alone=False),
    Model("absent", 0.2, 50.0, learns_from="train users", skips={"C": "needs CUDA", "D": "needs CUDA"}),
)
