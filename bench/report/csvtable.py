"""A leaderboard as CSV: one row for each model, training and test city (or all cities), every figure in a column."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict

from bench.leaderboard import Board, Leaderboard, Row
from bench.report.tables import learned_from, plain

ALL = "all"
WORK = "work"  # a trajectory, one at a time
_FIGURE = ("mean", "low", "high", "median", "wins", "rank", "misses_as_zero")
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
    columns = ["test_city", "rank", "model", "learned_from", "users", "seeds", "coverage", "unranked", "leak", "shape"]
    columns += [f"{metric}|{name}" for metric in found.metrics for name in _FIGURE] + list(_COST)
    columns += sorted({f"{WORK}|{name}" for row in found.spent for name in row.alone})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for board in found.boards:
        for row in board.rows:
            writer.writerow({name: _plain(value) for name, value in _fields(found, board, row).items()})
    return text.getvalue()


def _fields(found: Leaderboard, board: Board, row: Row) -> dict[str, object]:
    fields: dict[str, object] = {
        "test_city": board.cities[0] if len(board.cities) == 1 else ALL,
        "rank": row.rank(found.main),
        "model": row.model,
        "learned_from": learned_from(row),
        "users": row.users,
        "seeds": row.seeds,
        "coverage": row.coverage,
        "unranked": row.unranked,
        "leak": "; ".join(row.leaks),
        "shape": "; ".join(row.shape_without_places),
    }
    for metric, figure in row.figures.items():
        fields |= {f"{metric}|{name}": getattr(figure, name) for name in _FIGURE}
    costs = [asdict(cost) for cost in found.costs if (cost.model, cost.training) == (row.model, row.training)]
    if len(costs) == 1:
        fields |= {name: costs[0][name] for name in _COST}
    works = [spent.alone for spent in found.spent if (spent.model, spent.training) == (row.model, row.training)]
    if len(works) == 1:
        fields |= {f"{WORK}|{name}": value for name, value in works[0].items()}
    return fields


def _plain(value: object) -> object:
    """Ten digits of a float: what two machines agree on."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return plain(value) if isinstance(value, str) else value
