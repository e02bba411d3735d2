"""One record, as a page: what was asked, what came back, what it cost, where it ran."""

from __future__ import annotations

from collections.abc import Iterator

from bench.records.record import Record
from bench.report import numbers
from bench.report.numbers import NONE
from bench.report.tables import Table, make_table


def tables(record: Record) -> Iterator[Table]:
    """Lay a record out in tables of one topic each."""
    yield _pairs("Case", _case(record))
    if record.scores:
        columns = [("metric", False), ("mean", True), ("median", True), ("misses as zero", True), ("better", False)]
        rows = []
        for metric, score in record.scores.items():
            mean = f"{numbers.amount(score.mean, score.unit)} {numbers.span(score.low, score.high, score.unit)}"
            middle, zero = numbers.amount(score.median, score.unit), numbers.amount(score.misses_as_zero, score.unit)
            unit = f" ({score.unit})" if score.unit else ""
            title = f"{numbers.title(metric)}{unit}{' *' if metric == record.main else ''}"
            rows.append([title, mean.strip(), middle, zero, score.better])
        yield make_table("Scores", columns, rows, ["*: the metric that ranks. In brackets the mean's 95 % interval."])
    if record.answers:
        yield _pairs("Answers", {k: v for k, v in record.answers.model_dump().items() if k != "coverage"})
    if record.cost:
        yield _pairs("Cost", _cost(record))
    if record.learning:
        yield _pairs("Learning", {key: value for key, value in record.learning if value is not None})
    if record.facts:
        yield _pairs("Facts", record.facts)
    machine = record.machine
    where = {**machine.model_dump(exclude={"packages"}), **record.numerics, "packages": _joined(machine.packages)}
    yield _pairs("Machine", where)
    yield _pairs("Provenance", {**record.provenance.model_dump(), **record.identity.model_dump(), **record.files})


def _case(record: Record) -> dict[str, object]:
    case = record.case
    found: dict[str, object] = {
        "status": record.status,
        "reason": record.reason,
        "not ranked": record.unranked() if record.status == "done" else None,
        "model": f"{case.model} (adapter {case.adapter}, version {case.adapter_version})",
        "protocol": f"{case.protocol}, version {case.protocol_version}, scale {case.scale}",
        "learns from": case.learns_from,
        "training cities": ", ".join(case.train_cities),
        "training days": "{}-{}".format(*case.train_days) if case.train_days else None,
        "pretrained on": ", ".join(case.seen),
        "tuned before": "; ".join(f"{t.what} {'+'.join(t.people)} (days {t.days[0]}-{t.days[1]})" for t in case.tuned),
        "test city": case.test_city,
        "seed": case.seed,
        "windows": "history {}-{}, horizon {}-{}".format(*case.history, *case.horizon),
        "settings": _joined(case.settings),
    }
    if record.data:
        data = record.data
        found["data"] = f"{data.source}{' (synthetic)' if data.synthetic else ''}"
        found["users"] = f"train {data.train_users:,}, validate {data.validate_users:,}, test {data.test_users:,}"
        found["points to predict"] = f"{data.test_points:,}"
        found["notes"] = "; ".join(data.notes)
    return {name: value for name, value in found.items() if value not in (None, "")}


def _cost(record: Record) -> dict[str, object]:
    cost = record.cost
    assert cost is not None
    spent = cost.usage.model_dump() if cost.usage else {}
    return {
        "device": f"{cost.device}, {cost.threads} threads, {cost.batch_users} users a batch",
        "fit": numbers.seconds(cost.fit_seconds),
        "predict, all users": numbers.seconds(cost.predict_seconds),
        "one user, median": f"{numbers.seconds(cost.latency_median_s)} over {cost.latency_users} users",
        "one user, 95th percentile": numbers.seconds(cost.latency_p95_s),
        "users a second": numbers.rate(cost.throughput_per_s),
        "peak memory": numbers.memory(cost.peak_memory_mb),
        "peak GPU memory": numbers.memory(cost.peak_gpu_memory_mb),
        "alone on the machine": "yes" if cost.alone else "no: other cases ran meanwhile",
        **{f"usage, {how}": _joined({k: f"{v:.4g}" for k, v in work.items()}) for how, work in spent.items() if work},
    }


def _pairs(title: str, content: dict[str, object] | dict[str, int | float | str]) -> Table:
    rows = [[str(name), NONE if value is None else str(value)] for name, value in content.items()]
    return make_table(title, [("", False), ("", False)], rows)


def _joined(content: dict[str, object] | dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in content.items())
