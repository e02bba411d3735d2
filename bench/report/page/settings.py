"""What changes along a setting: LoRA rank, seeds, windows, training users, decoding; and the losses of fits."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.leaderboard import Metric
from bench.leaderboard.lineage import training_of
from bench.records.record import Record
from bench.report.charts import lines
from bench.report.charts.style import Mark
from bench.report.page.views import metric_title

LOSSES = "loss_curve"  # the fact that holds a fit's losses, separated by blanks
LOGGED = "replay"  # the adapter of answers from files
WIDE_RANGE = 20  # largest over smallest value from which an axis is logarithmic


def sweeps(records: Sequence[Record], metric: Metric) -> list[dict[str, Any]]:
    """Return a chart for every setting that differs between cases of one adapter; those that change together share one.

    Logged answers are left out: what differs there is the file.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if metric.name in record.scores and record.case.adapter != LOGGED:
            groups[record.case.adapter].append(record)
    return [
        {"title": f"{adapter}: {', '.join(aspects)}", "spec": _along(group, aspects[0], metric)}
        for adapter, group in sorted(groups.items())
        for aspects in _differing(group)
    ]


def _aspects(record: Record) -> dict[str, Any]:
    """All that a protocol may vary of one adapter, by name."""
    case = record.case
    fixed: dict[str, Any] = {"seed": case.seed, "history": "{}-{}".format(*case.history)}
    fixed["horizon"] = "{}-{}".format(*case.horizon)
    if training_of(record):
        fixed["training cities"] = training_of(record)
        fixed["training users"] = record.data.train_users if record.data else None
    return {**fixed, **{name: _plain(value) for name, value in case.settings.items()}}


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str) else json.dumps(value)


def _differing(group: Sequence[Record]) -> list[list[str]]:
    """Return the aspects that all cases have, with several values in one city; those that change alike together."""
    found = [_aspects(record) for record in group]
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in dict.fromkeys(name for aspects in found for name in aspects):
        if any(aspects.get(name) is None for aspects in found):
            continue
        texts = [json.dumps(aspects[name]) for aspects in found]
        values: dict[str, set[str]] = defaultdict(set)
        for record, text in zip(group, texts, strict=True):
            values[record.case.test_city].add(text)
        if any(len(several) > 1 for several in values.values()):
            order = list(dict.fromkeys(texts))
            together[tuple(map(order.index, texts))].append(name)
    return list(together.values())


def _along(group: Sequence[Record], aspect: str, metric: Metric) -> dict[str, Any]:
    values: list[Any] = [_aspects(record).get(aspect) for record in group]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numeric and (aspect == "seed" or min(values) <= 0):
        log = False
    else:
        log = numeric and max(values) / min(values) >= WIDE_RANGE
    rows = [
        {
            "x": value if numeric else str(value),
            "value": score.mean,
            "low": score.low if score.low is not None else score.mean,
            "high": score.high if score.high is not None else score.mean,
            "group": f"tested on {record.case.test_city}",
            "detail": f"{record.case.model}, {training_of(record) or 'no training'}, seed {record.case.seed}",
        }
        for record, value in zip(group, values, strict=True)
        if (score := record.scores[metric.name])
    ]
    rows.sort(key=lambda row: (row["x"], row["group"]))
    title = metric_title(metric)
    return lines.along(rows, aspect, title, numeric=numeric, log=log, lower=metric.better == "lower")


def losses(records: Sequence[Record], marks: Mapping[str, Mark]) -> dict[str, Any] | None:
    """Return the chart of all fits that say how their loss fell; None where none does."""
    rows, seen = [], set()
    for record in records:
        curve = _numbers(record.facts.get(LOSSES))
        if not curve or record.identity.fit in seen:
            continue
        seen.add(record.identity.fit)
        detail = f"{record.case.model}, {training_of(record)}, seed {record.case.seed}"
        mark = marks.get(record.case.model)
        rows += [
            {
                "x": step,
                "value": value,
                "name": record.case.model,
                "colour": mark.colour if mark else "currentColor",
                "detail": detail,
            }
            for step, value in enumerate(curve)
        ]
    return lines.curves(rows, "a fit from its start, in equal steps", "training loss") if rows else None


def _numbers(text: object) -> list[float]:
    try:
        return [float(word) for word in str(text or "").split()]
    except ValueError:
        return []
