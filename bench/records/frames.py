"""A run as tidy data frames: one row a case, and one row a case and user."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("fit_seconds", "predict_seconds", "latency_median_s", "throughput_per_s", "peak_memory_mb")


def cases(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row a case: what was asked, its status, the mean and 95 % interval of each metric, its costs.

    Columns of a metric: ``geobleu@humob24``, ``geobleu@humob24 low`` and ``... high``. ``case`` joins the rows with
    those of :func:`scores`. A case that failed or was skipped has its reason, and gaps elsewhere.
    """
    import pandas as pd

    return pd.DataFrame([_row(record) for record in records])


def scores(records: Iterable[Record], folder: Path) -> pd.DataFrame:
    """Return one row a case and user: case, model, training cities, seed, city, uid, days, points, each metric.

    Cases whose scores are not in the run's folder have no rows: published runs on real people keep means only.
    """
    import pandas as pd

    parts = [
        pd.read_parquet(folder / record.files["scores"]).pipe(_with_case, record)
        for record in records
        if "scores" in record.files and (folder / record.files["scores"]).is_file()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*_KEYS, "city", "uid"])


_KEYS = ("case", "model", "train_cities", "seed")


def _row(record: Record) -> dict[str, Any]:
    row = {**_keys(record), "test_city": record.case.test_city, "status": record.status, "reason": record.reason}
    row["adapter"] = record.case.adapter
    row["test_users"] = record.data.test_users if record.data else None
    row["filled_share"] = record.answers.filled / record.answers.asked if record.answers else None
    for name, score in record.scores.items():
        row |= {name: score.mean, f"{name} low": score.low, f"{name} high": score.high}
    return row | {name: getattr(record.cost, name, None) for name in COSTS}


def _keys(record: Record) -> dict[str, Any]:
    case = record.case
    return dict(zip(_KEYS, (record.identity.cost, case.model, "+".join(case.train_cities), case.seed), strict=True))


def _with_case(frame: pd.DataFrame, record: Record) -> pd.DataFrame:
    """Put the case before the columns of a file of scores."""
    for i, (name, value) in enumerate(_keys(record).items()):
        frame.insert(i, name, value)
    return frame
