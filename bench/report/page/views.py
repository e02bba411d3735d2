"""A board as JSON: its rows with every figure, all paired differences, significance groups and charts."""

from __future__ import annotations

import statistics
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.adapters import registry
from bench.leaderboard import Board, Leaderboard, Metric, Row, difference
from bench.report import numbers
from bench.report.charts import accuracy
from bench.report.charts.style import Mark, Spec
from bench.report.origins import is_tiny, learned_from
from bench.report.score_table import flags
from bench.report.tables import where

WIDE, NARROW = (1160, 450), (290, 480)  # pixels of a chart with names: on a desk, on a phone
FAMILIES = {
    "statistics": "per-user statistic",
    "trees": "trees",
    "replay": "logged answers",
    "lp_bert": "BERT",
    "llama_mob": "language model",
    "llama_mob_parallel": "language model",
    "llm_api": "language model",
}
OTHER = "other"


@dataclass(frozen=True)
class View:
    """What the charts of a run share: its leaderboard, each model's mark and family."""

    found: Leaderboard
    marks: Mapping[str, Mark]
    families: Mapping[str, str]  # model -> its kind
    records: Callable[[Row, Board], list[str]] = field(default=lambda row, board: [])

    def drawn(self, row: Row, given: Board) -> dict[str, str]:
        """How a row is named and drawn on a board: by its model alone where that is enough."""
        mark = self.marks[row.model]
        alone = sum(other.model == row.model for other in given.rows) == 1
        return {
            "name": row.model if alone else row.label,
            "colour": mark.colour,
            "shape": mark.shape,
            "family": self.families.get(row.model.split(" = ")[0], OTHER),
        }

    def cost(self, row: Row, name: str) -> float | None:
        """The median of a cost over the fits of a row's model; None where it is not known."""
        models = row.model.split(" = ")
        values = [getattr(cost, name) for cost in self.found.costs if cost.model in models]
        known = [value for value in values if value]
        return statistics.median(known) if known else None


def family(adapter: str, settings: Mapping[str, Any]) -> str:
    """Name the kind of a model, by the folder in which its adapter lies."""
    if is_tiny(settings):
        return "tiny decoder"
    parts = registry.names().get(adapter, "").partition(":")[0].split(".")
    return next((FAMILIES[part] for part in reversed(parts) if part in FAMILIES), adapter or OTHER)


def board(view: View, given: Board) -> dict[str, Any]:
    """Return a board for the page."""
    found = view.found
    names = [name for name in found.metrics if any(name in row.figures for row in given.rows)]
    rows = rows_of(view, given)
    return {
        "title": where(given),
        "name": given.cities[0] if len(given.cities) == 1 else "all cities",
        "rows": rows,
        "pairs": {name: list(pairs(given, name)) for name in names},
        "letters": {name: letters(given, name) for name in names},
        "left_out": [f"{label}: {reason}" for label, reason in given.left_out],
        "charts": {name: charts(rows, found.metrics[name]) for name in names},
        "ranked": len(given.ranked),
    }


def rows_of(view: View, given: Board) -> list[dict[str, Any]]:
    """Return a board's rows."""
    return [_row(view, given, row) for row in given.rows]


def _row(view: View, given: Board, row: Row) -> dict[str, Any]:
    return {
        **view.drawn(row, given),
        "model": row.model,
        "learned": learned_from(row.lineage),
        "users": row.users,
        "seeds": row.seeds,
        "coverage": row.coverage,
        "unranked": row.unranked,
        "floor": row.floor,
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


def pairs(given: Board, metric: str) -> Iterator[list[float | int | None]]:
    """Yield [i, j, row i minus row j, low, high, standing] for all pairs of ranked rows, by their place in rows."""
    able = [(i, row) for i, row in enumerate(given.rows) if row in given.ranked and metric in row.samples]
    for at, (i, row) in enumerate(able):
        for j, other in able[at + 1 :]:
            value, low, high = difference(row, other, metric)
            yield [i, j, short(value), short(low), short(high), given.standing(row, other, metric)]


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
    for letter, group in zip(string.ascii_letters, groups, strict=False):
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


def charts(rows: Sequence[Mapping[str, Any]], metric: Metric) -> dict[str, Any]:
    """Return the charts of a board's rows (see :func:`board`) for one metric; those with names in two sizes."""
    found: dict[str, Any] = {}
    for cost in COSTS:
        sizes = {size: by_cost(rows, metric, cost, size) for size in (WIDE, NARROW)}
        if sizes[WIDE]:
            found[cost] = {"wide": sizes[WIDE], "narrow": sizes[NARROW]}
    return found


COSTS = {
    "seconds": ("time for one trajectory (median)", accuracy.SECONDS),
    "parameters": ("parameters", accuracy.COUNT),
}


def by_cost(rows: Sequence[Mapping[str, Any]], metric: Metric, cost: str, size: tuple[int, int]) -> Spec | None:
    """Draw a metric of a board's ranked rows against a cost; None where fewer than two have one.

    Rows without seconds are logged answers; those of unknown size are left out.
    """
    drawn = []
    for row in rows:
        if metric.name in row["figures"] and not row["unranked"] and (row[cost] or cost == "seconds"):
            mean, low, high = row["figures"][metric.name][:3]
            named = {name: row[name] for name in ("name", "colour", "shape", "family")}
            drawn.append({**named, "x": row[cost], "y": mean, "low": low, "high": high})
    lower, (title, labels) = metric.better == "lower", COSTS[cost]
    return accuracy.accuracy(drawn, title, metric_title(metric), lower=lower, labels=labels, size=size)


def metric_title(metric: Metric) -> str:
    """A metric with unit and direction, for an axis."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{numbers.title(metric.name)}{unit} ({metric.better} is better)"


def short(value: float | None) -> float | None:
    """Five digits; None for what is not known."""
    return None if value is None or value != value else float(f"{value:.5g}")
