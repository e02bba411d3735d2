"""A leaderboard as CSV: one row for each model, training and test city (or all cities), every figure in a column."""

from __future__ import annotations

import csv
import io

from bench.leaderboard import Board, Leaderboard, Row, difference
from bench.leaderboard.lineage import KEPT
from bench.report.origins import learned_from
from bench.report.tables import sheet

ALL = "all"
WORK = "work"  # a trajectory, one at a time
_FIGURE = ("mean", "low", "high", "median", "wins", "misses_as_zero")
_OVER = ("over_floor", "over_floor_low", "over_floor_high", "over_floor_verdict")
_RANKS = ("rank", "rank_last")
_COST = (
    "fit_seconds",
    "latency_median_s",
    "latency_p95_s",
    "throughput_per_s",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
    "parameters",
    "hardware",
)


def render(found: Leaderboard) -> str:
    """Return the table as text; empty fields are unknown. Cost is over all test cities of a model and training."""
    columns = ["test_city", "rank", "rank_last", "model", "learned_from", "users", "seeds", "coverage", "unranked"]
    columns += ["leak", "shape", "too_good", "floor", *_OVER]
    columns += [f"{metric}|{name}" for metric in found.metrics for name in (*_FIGURE, *_RANKS)] + list(_COST)
    columns += sorted({f"{WORK}|{name}" for row in found.usage for name in row.alone})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for board in found.boards:
        for row in board.rows:
            writer.writerow({name: _plain(value) for name, value in _fields(found, board, row).items()})
    return text.getvalue()


def render_parts(found: Leaderboard) -> str:
    """Return one row a model, city and metric, with a column for every group of users and part of their points."""
    rows = [
        {"test_city": board.cities[0] if len(board.cities) == 1 else ALL, "model": row.model,
         "learned_from": learned_from(row.lineage), "users": row.users, "metric": metric,
         **row.groups.get(metric, {}), **row.slices.get(metric, {})}
        for board in found.boards for row in board.rows for metric in row.figures
    ]  # fmt: skip
    named = ("test_city", "model", "learned_from", "users", "metric")
    columns = list(dict.fromkeys((*named, *(name for row in rows for name in row))))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _fields(found: Leaderboard, board: Board, row: Row) -> dict[str, object]:
    fields: dict[str, object] = {
        "test_city": board.cities[0] if len(board.cities) == 1 else ALL,
        **dict(zip(_RANKS, row.ranks(found.main) or (None, None), strict=True)),
        "model": row.model,
        "learned_from": learned_from(row.lineage),
        "users": row.users,
        "seeds": row.seeds,
        "coverage": row.coverage,
        "unranked": row.unranked,
        "leak": "; ".join(row.leaks),
        "shape": "; ".join(row.shape_without_places),
        "too_good": "; ".join(row.beyond),
        **_over_floor(found, board, row),
    }
    for metric, figure in row.figures.items():
        fields |= {f"{metric}|{name}": getattr(figure, name) for name in _FIGURE}
        fields |= {f"{metric}|{name}": rank for name, rank in zip(_RANKS, figure.ranks or (None, None), strict=True)}
    part = KEPT if row.lineage.kept and not row.lineage.learned else row.training
    costs = [cost for cost in found.costs if (cost.model, cost.part) == (row.model, part)]
    if len(costs) == 1:
        fields |= {name: getattr(costs[0], name) for name in _COST}
    works = [spent.alone for spent in found.usage if (spent.model, spent.part) == (row.model, part)]
    if len(works) == 1:
        fields |= {f"{WORK}|{name}": value for name, value in works[0].items()}
    return fields


def _over_floor(found: Leaderboard, board: Board, row: Row) -> dict[str, object]:
    """Return the paired difference to the best floor row in the main metric, as far as there is one."""
    floor = board.best_floor(found.metrics[found.main])
    if floor is None or row.key == floor.key or row.unranked or found.main not in row.samples:
        return {}
    verdict = {1: "better", 0: "level", -1: "worse"}[board.standing(row, floor, found.main)]
    found_values = (*difference(row, floor, found.main), verdict)
    return {"floor": floor.model, **dict(zip(_OVER, found_values, strict=True))}


def _plain(value: object) -> object:
    """Ten digits of a float: what two machines agree on."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return sheet(value) if isinstance(value, str) else value
