"""Accuracy against seconds per trajectory, over all test cities, as SVG by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.files import write_with
from bench.leaderboard import Leaderboard, Row
from bench.leaderboard.lineage import KEPT
from bench.report import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "accuracy.svg"
COLOURS = {"reference": "#b03a2e", "front": "#1f5f99", "other": "#8a8f98"}


def draw(found: Leaderboard, folder: Path) -> Path | None:
    """Write the figure into the folder; return its path, or None where fewer than two rows have a cost.

    Rows without a cost are answers from files: a dashed line. A blue row is on the Pareto front: none is both faster
    and better.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = [row for row in found.boards[0].rows if not row.unranked]
    costs = {row.key: seconds for row in rows if (seconds := _seconds(found, row)) is not None}
    if len(costs) < 2:
        return None
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    _points(
        axes, found, [row for row in rows if row.key in costs], [costs[row.key] for row in rows if row.key in costs]
    )
    _lines(axes, found, [row for row in rows if row.key not in costs])
    axes.set_xscale("log")
    axes.set_xlabel("seconds per trajectory, one at a time (median)")
    axes.set_ylabel(f"{numbers.title(found.main)}, 95 % interval over users")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    path = folder / NAME
    with matplotlib.rc_context({"svg.hashsalt": NAME}):
        write_with(path, lambda part: figure.savefig(part, format="svg", metadata={"Date": None}))
    return path


def _seconds(found: Leaderboard, row: Row) -> float | None:
    """Return the median latency of a row, where it was measured once."""
    part = KEPT if row.lineage.kept and not row.lineage.learned else row.training
    costs = [cost.latency_median_s for cost in found.costs if (cost.model, cost.part) == (row.model, part)]
    return costs[0] if len(costs) == 1 else None


def _points(axes: Axes, found: Leaderboard, rows: list[Row], seconds: list[float]) -> None:
    """Draw the rows with a cost, each with its interval and its name."""
    figures = [row.figures[found.main] for row in rows]
    for row, x, y in zip(rows, seconds, figures, strict=True):
        beaten = any(x2 <= x and y2.mean > y.mean for x2, y2 in zip(seconds, figures, strict=True))
        colour = COLOURS["other" if beaten else "front"]
        if y.low is not None and y.high is not None:
            axes.plot([x, x], [y.low, y.high], color=colour, linewidth=1, alpha=0.35)
        axes.plot([x], [y.mean], "o", color=colour, markersize=5)
        axes.annotate(row.model, (x, y.mean), xytext=(6, -3), textcoords="offset points", fontsize=8, color=colour)


def _lines(axes: Axes, found: Leaderboard, rows: list[Row]) -> None:
    """Draw the rows without a cost as lines across."""
    for row in rows:
        mean = row.figures[found.main].mean
        axes.axhline(mean, color=COLOURS["reference"], linewidth=1, linestyle="--")
        axes.annotate(
            f"{row.model} (logged answers)", (1, mean), xycoords=("axes fraction", "data"), xytext=(-2, 3),
            textcoords="offset points", ha="right", fontsize=8, color=COLOURS["reference"],
        )  # fmt: skip
