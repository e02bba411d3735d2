"""A board as JSON: its rows with every figure, all paired differences, significance groups and charts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.adapters import registry
from bench.leaderboard import Board, Leaderboard, Metric, Row, difference
from bench.report import numbers
from bench.report.charts import accuracy, intervals
from bench.report.charts.style import Mark, Spec
from bench.report.origins import learned_from
from bench.report.score_table import flags
from bench.report.tables import where

WIDE, NARROW = (760, 430), (290, 460)  # pixels of a chart with names: on a desk, on a phone
FAMILIES = {
    "statistics": "per-user statistic",
    "trees": "trees",
    "replay": "logged answers",
    "lp_bert": "BERT",
    "llama_mob": "language model",
    "llama_mob_parallel": "language model",
    "llm_api": "language model",
}


@dataclass(frozen=True)
class View:
    """What the charts of a run share: its leaderboard, each model's mark and family."""

    found: Leaderboard
    marks: Mapping[str, Mark]
    adapters: Mapping[str, str]  # model -> adapter
    records: Callable[[Row, Board], list[str]] = field(default=lambda row, board: [])

    def drawn(self, row: Row) -> dict[str, str]:
        """How a row is named and drawn."""
        mark = self.marks[row.model]
        return {"name": row.label, "colour": mark.colour, "shape": mark.shape, "family": self.family(row)}

    def family(self, row: Row) -> str:
        """Name the kind of a row's model, by the folder in which its adapter lies."""
        adapter = self.adapters.get(row.model.split(" = ")[0], "")
        parts = registry.names().get(adapter, "").partition(":")[0].split(".")
        return next((FAMILIES[part] for part in reversed(parts) if part in FAMILIES), adapter or "other")

    def cost(self, row: Row, name: str) -> float | None:
        """The median of a cost over the fits of a row's model; None where it is not known."""
        models = row.model.split(" = ")
        values = [getattr(cost, name) for cost in self.found.costs if cost.model in models]
        known = [value for value in values if value]
        return statistics.median(known) if known else None


def board(view: View, given: Board) -> dict[str, Any]:
    """Return a board for the page."""
    found = view.found
    names = [name for name in found.metrics if any(name in row.figures for row in given.rows)]
    return {
        "title": where(given),
        "name": given.cities[0] if len(given.cities) == 1 else "all cities",
        "rows": [_row(view, given, row) for row in given.rows],
        "pairs": {name: list(pairs(given, name)) for name in names},
        "letters": {name: letters(given, name) for name in names},
        "left_out": [f"{label}: {reason}" for label, reason in given.left_out],
        "charts": {name: charts(view, given, found.metrics[name]) for name in names},
    }


def _row(view: View, given: Board, row: Row) -> dict[str, Any]:
    return {
        **view.drawn(row),
        "model": row.model,
        "learned": learned_from(row.lineage),
        "users": row.users,
        "seeds": row.seeds,
        "coverage": row.coverage,
        "unranked": row.unranked,
        "flags": [[tag, said] for tag, said in flags(row)],
        "seconds": view.cost(row, "latency_median_s"),
        "fit": view.cost(row, "fit_seconds"),
        "parameters": view.cost(row, "parameters"),
        "figures": {
            name: [f.mean, f.low, f.high, f.median, f.wins, *(f.ranks or (None, None))]
            for name, f in row.figures.items()
        },
        "records": view.records(row, given),
    }


def pairs(given: Board, metric: str) -> Iterator[list[float | int]]:
    """Yield [i, j, row i minus row j, low, high, standing] for all pairs of ranked rows, by their place in rows."""
    able = [(i, row) for i, row in enumerate(given.rows) if row in given.ranked and metric in row.samples]
    for at, (i, row) in enumerate(able):
        for j, other in able[at + 1 :]:
            value, low, high = difference(row, other, metric)
            yield [i, j, _short(value), _short(low), _short(high), given.standing(row, other, metric)]


def letters(given: Board, metric: str) -> dict[str, str]:
    """Give each ranked row letters: two rows share one if, and only if, they cannot be told apart.

    Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons (2004): a letter is a maximal set
    of rows none of which differ. Rows by place in the board.
    """
    rows = {i: row for i, row in enumerate(given.rows) if row in given.ranked and metric in row.samples}
    level = {
        i: {j for j, other in rows.items() if j != i and not given.standing(row, other, metric)}
        for i, row in rows.items()
    }
    groups = sorted(sorted(group) for group in _cliques(set(), set(rows), set(), level))
    found: dict[str, str] = {str(i): "" for i in rows}
    for letter, group in zip("abcdefghijklmnopqrstuvwxyz", groups, strict=False):
        for i in group:
            found[str(i)] += letter
    return found


def _cliques(chosen: set[int], left: set[int], done: set[int], level: Mapping[int, set[int]]) -> Iterator[set[int]]:
    """Yield all maximal sets whose members are level with each other (Bron and Kerbosch, 1973, with pivot)."""
    if not left and not done:
        yield chosen
        return
    pivot = max(left | done, key=lambda i: len(level[i] & left))
    for i in sorted(left - level[pivot]):
        yield from _cliques(chosen | {i}, left & level[i], done & level[i], level)
        left, done = left - {i}, done | {i}


def charts(view: View, given: Board, metric: Metric) -> dict[str, Any]:
    """Return a board's charts for one metric; those with names in two sizes."""
    rows = [row for row in given.rows if metric.name in row.figures and not row.unranked]
    found: dict[str, Any] = {}
    for name, cost, title, labels in COSTS:
        sizes = {size: by_cost(view, rows, metric, (cost, title, labels), size) for size in (WIDE, NARROW)}
        if sizes[WIDE]:
            found[name] = {"wide": sizes[WIDE], "narrow": sizes[NARROW]}
    return found


COSTS = (
    ("seconds", "latency_median_s", "time for one trajectory (median)", accuracy.SECONDS),
    ("parameters", "parameters", "parameters", accuracy.COUNT),
)


def by_cost(
    view: View, rows: Sequence[Row], metric: Metric, axis: tuple[str, str, str], size: tuple[int, int]
) -> Spec | None:
    """Draw a metric against a cost. axis: name of the cost, title and tick labels."""
    timed = axis[0] == "latency_median_s"
    drawn = [
        {**view.drawn(row), "x": view.cost(row, axis[0]), "y": figure.mean, "low": figure.low, "high": figure.high}
        for row in rows
        if (figure := row.figures[metric.name])
    ]
    drawn = [row for row in drawn if row["x"] or timed]  # of unknown size: left out; without a time: logged answers
    lower = metric.better == "lower"
    return accuracy.accuracy(drawn, axis[1], metric_title(metric), lower=lower, labels=axis[2], size=size)


def metric_title(metric: Metric) -> str:
    """A metric with unit and direction, for an axis."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{numbers.title(metric.name)}{unit} ({metric.better} is better)"


def slices(view: View, metric: Metric) -> list[dict[str, Any]]:
    """Return fields of shades: by city, and by group of users of the main metric."""
    found, boards = [], view.found.boards
    cities = [b for b in boards if len(b.cities) == 1]
    if len(cities) > 1:
        cells = [(row, b.cities[0], row.figures[metric.name].mean) for b in cities for row in b.rows
                 if metric.name in row.figures]  # fmt: skip
        found.append({"title": "by city", "spec": _shades(view, _in_order(view, cells), "city", metric)})
    if metric.name == view.found.main:
        for kind in dict.fromkeys(key.rpartition("_")[0] for row in boards[0].rows for key in row.groups):
            title = f"{kind.replace('_', ' ')} of users, quarters from low to high"
            cells = [(row, key.rpartition("_")[2], value) for row in boards[0].rows for key, value in
                     row.groups.items() if key.rpartition("_")[0] == kind]  # fmt: skip
            if cells:
                found.append({"title": f"by {title}", "spec": _shades(view, cells, title, metric)})
    return found


Cell = tuple[Row, str, float]


def _in_order(view: View, cells: Sequence[Cell]) -> list[Cell]:
    order = [row.label for row in view.found.boards[0].rows]
    return sorted(cells, key=lambda cell: order.index(cell[0].label) if cell[0].label in order else len(order))


def _shades(view: View, cells: Sequence[Cell], title: str, metric: Metric) -> Spec:
    rows = [
        {"name": row.label, "column": column, "value": _short(value), "text": numbers.amount(value, metric.unit)}
        for row, column, value in cells
    ]
    return intervals.shades(rows, title, numbers.title(metric.name), lower=metric.better == "lower")


def _short(value: float) -> float:
    return float(f"{value:.5g}")
