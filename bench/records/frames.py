"""A run as tidy data frames: cases, their scores by user and slice, their answers, their costs.

Every frame begins with the same columns, of which ``case`` joins them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.records.record import Cost, Record

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("fit_seconds", "predict_seconds", "latency_median_s", "throughput_per_s", "peak_memory_mb")
STATES = ("ok", "invalid", "missing")  # by bench.data.trajectories.OK, INVALID, MISSING


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
    return _files(records, folder, "scores", ("city", "uid"))


def user_slices(records: Iterable[Record], folder: Path) -> pd.DataFrame:
    """Return one row a case, user and slice: as :func:`scores`, with ``kind`` and ``slice``.

    A slice is a part of the user's points (bench/evaluation/metrics/slices.py). Published runs hold none.
    """
    return _files(records, folder, "slices", ("city", "uid", "kind", "slice"))


def slices(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row a case, metric, kind and slice: users, mean, low, high. From the records alone."""
    import pandas as pd

    rows = [
        {**_keys(record), "test_city": record.case.test_city, "metric": name, **_slice(key), **part.model_dump()}
        for record in records
        for name, score in record.scores.items()
        for key, part in score.slices.items()
    ]
    columns = [*_KEYS, "test_city", "metric", "kind", "slice", "users", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def agreements(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row a pair of seeds of one model, training and test city: how far their answers agree."""
    import pandas as pd

    rows: dict[frozenset[str], dict[str, object]] = {}
    for record in records:
        for pair in record.agreement:
            first, second = sorted((record.case.seed, pair.seed))
            found = {**_keys(record), "test_city": record.case.test_city, **pair.model_dump()}
            found |= {"seed": first, "other_seed": second}
            both = frozenset({record.identity.answers, pair.answers})  # both records may hold the pair
            rows.setdefault(both, {name: found[name] for name in _PAIR})
    return pd.DataFrame(list(rows.values()), columns=list(_PAIR))


def answers(records: Iterable[Record], store: Path) -> pd.DataFrame:
    """Return one row a case and query: city, uid, d, t, the answered cell x, y and its status (ok, invalid, missing).

    Cells are as the model gave them, before any filling. store: the folder beside a run's; cases whose answers are not
    there have no rows.
    """
    import pandas as pd

    parts = list(answer_parts(records, store))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*_KEYS, "city", "uid", "d", "t"])


def answer_parts(records: Iterable[Record], store: Path) -> Iterator[pd.DataFrame]:
    """Yield the answers of one case after the other: those of a large run do not fit into memory together."""
    import pandas as pd

    for record in records:
        path = store / record.files.get("answers", "answers are not named")
        if path.is_file():
            frame = pd.read_parquet(path)
            yield _with_case(frame.assign(status=frame["status"].map(dict(enumerate(STATES)))), record)


def costs(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row a done case: seconds, memory, and all that they depend on (hardware, precision, batch, code).

    What a language model spent stands in columns such as ``alone forward_passes`` (mean a trajectory, one at a time).
    """
    import pandas as pd

    return pd.DataFrame([_cost(record, record.cost) for record in records if record.cost])


_KEYS = ("case", "model", "train_cities", "seed")
_PAIR = ("model", "train_cities", "test_city", "seed", "other_seed", "same_cell", "same_low", "same_high", "geobleu")


def _slice(key: str) -> dict[str, str]:
    kind, _, name = key.partition("=")
    return {"kind": kind, "slice": name}


def _files(records: Iterable[Record], folder: Path, kind: str, columns: Iterable[str]) -> pd.DataFrame:
    """Join the files of one kind that are in the run's folder."""
    import pandas as pd

    parts = [
        pd.read_parquet(folder / record.files[kind]).pipe(_with_case, record)
        for record in records
        if kind in record.files and (folder / record.files[kind]).is_file()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*_KEYS, *columns])


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


def _cost(record: Record, cost: Cost) -> dict[str, Any]:
    machine = record.machine.model_dump(exclude={"packages"})
    usage = cost.usage.model_dump() if cost.usage else {}
    return {
        **_keys(record),
        "test_city": record.case.test_city,
        **cost.model_dump(exclude={"usage"}),
        "parameters": record.facts.get("parameters"),
        "precision": record.numerics.get("precision"),
        **machine,
        "bench_version": record.provenance.bench_version,
        "commit": record.provenance.commit,
        **{f"{how} {what}": value for how, work in usage.items() for what, value in work.items()},
    }
