"""A study's CSV files -> what the page shows of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import numbers
from bench.report.charts import study as charts
from bench.report.tables import make_table

TRIALS, CITIES = "trials.csv", "cities.csv"
Rows = list[dict[str, str]]


def study(folder: Path) -> dict[str, Any]:
    """Return a study's charts and tables, a section a model."""
    trials = _read(folder / TRIALS)
    values = _read(folder / CITIES) if (folder / CITIES).is_file() else []
    models = dict.fromkeys(row["model"] for row in trials)
    return {
        "kind": "study",
        "id": folder.name,
        "title": f"Study: {folder.name}",
        "sections": [_of(model, [row for row in trials if row["model"] == model],
                         [row for row in values if row["model"] == model]) for model in models],
    }  # fmt: skip


def _of(model: str, trials: Rows, values: Rows) -> dict[str, Any]:
    metric = next(name.partition("|")[0] for name in trials[0] if name.endswith("|all|value"))
    done = [row for row in trials if row["state"] == "done" and row[f"{metric}|all|value"]]
    made = [
        ("Score by trajectories", charts.front(points(done, metric), numbers.title(metric)) if done else None),
        ("What each training city is worth (Shapley)", _shapley(values, metric)),
        ("Learning curves", charts.curves(lines, numbers.title(metric)) if (lines := curves(done, metric)) else None),
    ]
    columns = [
        ("trial", True),
        (f"point ({', '.join(_names(trials[0]))})", False),
        ("state", False),
        ("trajectories", True),
    ]
    columns += [(numbers.title(metric), True), ("front", False)]
    rows = [
        [row["trial"], _point(row), row["state"] + (f": {row['reason']}" if row["reason"] else ""), row["trajectories"],
         _figure(row, metric), "yes" if row["front"] == "1" else ""]
        for row in trials
    ]  # fmt: skip
    return {
        "title": model,
        "lines": ["Validation users. Scores are compared within one model only."],
        "charts": [{"title": title, "spec": spec} for title, spec in made if spec],
        "tables": [{**vars(make_table("Trials", columns, rows))}],
    }


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def points(trials: Sequence[dict[str, str]], metric: str) -> list[dict[str, Any]]:
    """Return what the chart of the front draws."""
    return [
        {"x": int(float(row["trajectories"])), "front": row["front"] == "1", "name": _point(row), **_span(row, metric)}
        for row in trials
        if float(row["trajectories"] or 0) > 0
    ]


def curves(trials: Sequence[dict[str, str]], metric: str) -> list[dict[str, Any]]:
    """Return the points of mixes that were tried with several numbers of trajectories."""
    if "cities" not in trials[0] or "users.train" not in trials[0]:
        return []
    rows = [{"x": int(float(row["trajectories"])), "group": row["cities"], **_span(row, metric)} for row in trials]
    several = {row["group"] for row in rows if len({r["x"] for r in rows if r["group"] == row["group"]}) > 1}
    return [row for row in rows if row["group"] in several]


def _shapley(values: Rows, metric: str) -> dict[str, Any] | None:
    rows = [
        {"city": row["city"], "context": row["context"], **{key: float(row[key]) for key in ("value", "low", "high")}}
        for row in values
        if row["kind"] == "shapley" and row["target"] == "all" and row["metric"] == metric and row["low"] != "nan"
    ]
    return charts.cities(rows, numbers.title(metric)) if rows else None


def _span(row: dict[str, str], metric: str) -> dict[str, Any]:
    value, low, high = (_number(row[f"{metric}|all|{part}"]) for part in ("value", "low", "high"))
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


def _number(text: str) -> float | None:
    return float(text) if text and text != "nan" else None


def _figure(row: dict[str, str], metric: str) -> str:
    value = _number(row[f"{metric}|all|value"])
    return numbers.NONE if value is None else f"{value:.3f}"


def _point(row: dict[str, str]) -> str:
    """A trial's point: the columns between front and trajectories."""
    return ", ".join(_words(row[name]) for name in _names(row))


def _names(row: dict[str, str]) -> list[str]:
    names = list(row)
    return names[names.index("front") + 1 : names.index("trajectories")]


def _words(value: str) -> str:
    """Write a choice that is an object, as {"total": 240}, in words: total 240."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return ", ".join(f"{key} {of}" for key, of in found.items()) if isinstance(found, dict) else value
