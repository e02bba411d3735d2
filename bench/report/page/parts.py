"""Where a board's rows do well and badly: a metric by city, by group of users and by part of their points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from bench.leaderboard import Board, Metric, Row
from bench.leaderboard.parts import CITY, Wide
from bench.report import numbers
from bench.report.charts import intervals
from bench.report.charts.style import Spec
from bench.report.page.views import View, short

TITLES = {
    CITY: "By city",
    "step": "By stay and move",
    "cell": "By visited and new cell",
    "day": "By day of the horizon",
    "hour": "By hour of the day",
    "day_type": "By working day and off-day",
}
QUARTERS = "By {} of users, in quarters from low to high"


def of_rows(given: Sequence[Mapping[str, Mapping[str, float]]], wide: Wide) -> list[dict[str, Any]]:
    """Return every kind of parts: title, parts, values[metric][row][part], half[metric][part][pair of ranked rows].

    given: each row's figures, metric -> part -> figure (:func:`figures`). wide: as
    :func:`bench.leaderboard.parts.half_widths` returns. A figure that is not known is None.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for row in given for name in row):
        rows = [row.get(name, {}) for row in given]
        for title, keys in _kinds(rows).items():
            kind = found.setdefault(title, {"title": title, "keys": keys, "values": {}, "half": {}})
            keys = kind["keys"]
            kind["values"][name] = [[short(row.get(key)) for key in keys] for row in rows]
            known = wide.get(name, {})
            kind["half"][name] = [
                [short(half) for half in known[key].tolist()] if key in known else None for key in keys
            ]
    return [
        {**kind, "columns": [_part(key) for key in kind["keys"]], "step": intervals.step(len(kind["keys"]))}
        for kind in found.values()
    ]


@cache
def specs(metric: Metric) -> dict[str, Spec]:
    """Return the charts that the page fills with rows: scores, and differences to a reference."""
    title, lower = numbers.title(metric.name), metric.better == "lower"
    return {"scores": intervals.shades([], title, lower=lower), "differences": intervals.differences([], title)}


def charts(view: View, given: Board, metric: Metric) -> Iterator[tuple[str, Spec]]:
    """Yield a field of shades with its title for every kind of parts of one metric."""
    rows = [figures(row).get(metric.name, {}) for row in given.rows]
    for title, keys in _kinds(rows).items():
        cells = [
            {"name": view.drawn(row, given)["name"], "column": _part(key), "value": short(of[key]),
             "text": numbers.amount(of[key], metric.unit)}
            for row, of in zip(given.rows, rows, strict=True) for key in keys if key in of
        ]  # fmt: skip
        yield title, intervals.shades(cells, numbers.title(metric.name), lower=metric.better == "lower")


def figures(row: Row) -> dict[str, dict[str, float]]:
    """A row's figures by metric and part: city=B, activity_q1, step=move."""
    found: dict[str, dict[str, float]] = {}
    for name in row.figures:
        towns = {f"{CITY}={town}": at.figures[name].mean for town, at in row.towns.items() if name in at.figures}
        found[name] = {**towns, **row.groups.get(name, {}), **row.slices.get(name, {})}
    return found


def _kinds(rows: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Sort the parts that any row has by the title of their kind."""
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        kind, is_slice, _ = key.partition("=")
        title = TITLES.get(kind, f"By {kind}") if is_slice else QUARTERS.format(key.rpartition("_")[0])
        found.setdefault(title, []).append(key)
    return found


def _part(key: str) -> str:
    return key.partition("=")[2] or key.rpartition("_")[2]
