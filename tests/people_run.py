"""A run of synthetic people with invented scores and answers: all that a page can show, without fitting a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mock_run import Model, make_record

from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.records import record as records

HISTORY, HORIZON = (40, 59), (60, 62)


def make(
    out: Path, models: Sequence[Model], cities: Sequence[str] = ("C", "D"), users: int = 6,
    horizon: tuple[int, int] = HORIZON,
) -> Path:  # fmt: skip
    """Write OUT/mock and OUT/store; return the run's folder."""
    source = Synthetic(seed=5, users=users)
    run, made = out / "mock", []
    for city in cities:
        truth = source.load(city).days(*horizon)
        print_ = source.load(city).fingerprint()
        for number, model in enumerate(models):
            record, scores = make_record(model, "B", city, 0, users=users)
            made.append(record.identity.cost)
            if scores is not None:
                uids = [uid for _, uid in source.load(city).users][:users]
                columns = {"city": [city] * users, "uid": np.array(uids, np.int32)}
                _write(pa.table({**columns, **scores}), run / record.files["scores"])
                answers = f"answers/{record.identity.answers}.parquet"
                _write(_answers(truth, city, number), out / "store" / answers)
                data = record.data.model_copy(update={"source": source.spec, "fingerprint": {city: print_}})
                case = record.case.model_copy(update={"history": HISTORY, "horizon": horizon})
                facts = {**record.facts, "loss_curve": "2.0 1.5 1.2"}
                record = record.model_copy(
                    update={"data": data, "case": case, "facts": facts, "files": {**record.files, "answers": answers}}
                )
            records.write(record, run / "records" / f"{record.identity.cost}.json")
    manifest = {"protocol": "mock", "version": 1, "scale": "laptop", "cases": made}
    (run / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return run


def _answers(truth: Trajectories, city: str, number: int) -> pa.Table:
    """The truth, every few points a cell beside it, one invalid and one missing."""
    rng = np.random.default_rng(number)
    off = (rng.random(len(truth)) < 0.4).astype(np.int16)
    status = np.zeros(len(truth), np.int8)
    status[:2] = 1, 2
    keys = {"city": [city] * len(truth), "uid": truth.uid, "d": truth.d, "t": truth.t}
    return pa.table({**keys, "x": np.minimum(truth.x + off, 200), "y": truth.y, "status": status})


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
