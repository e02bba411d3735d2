"""Accuracy against seconds per trajectory, over all test cities, as SVG by matplotlib."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from bench.files import write_with
from bench.leaderboard import Leaderboard, Row
from bench.report import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

NAME = "accuracy.svg"
COLOURS = {"reference": "#b03a2e", "front": "#1f5f99", "other": "#8a8f98"}


def draw(found: Leaderboard, folder: Path) -> Path | None:
    """Write the figure into the folder; return its path, or None where fewer than two rows have a cost.

    Rows without a cost are answers from files: a dashed line. A blue row is on the Pareto front: none is both faster
    and better.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in found.boards[0].rows if not row.unranked]
    costs = {row.key: seconds for row in rows if (seconds := _seconds(found, row)) is not None}
    if len(costs) < 2:
        return None
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    FigureCanvasAgg(figure)  # it measures text, which the SVG canvas does not
    axes = figure.add_subplot()
    axes.set_xlabel("seconds per trajectory, one at a time (median)")
    axes.set_ylabel(f"{numbers.title(found.main)}, 95 % interval over users")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    _lines(axes, found, [row for row in rows if row.key not in costs])
    timed = [row for row in rows if row.key in costs]
    _points(axes, found, timed, [costs[row.key] for row in timed])
    path = folder / NAME
    with matplotlib.rc_context({"svg.hashsalt": NAME, "svg.fonttype": "none"}):
        write_with(path, lambda part: figure.savefig(part, format="svg", metadata={"Date": None}))
    return path


def _seconds(found: Leaderboard, row: Row) -> float | None:
    """Return the median latency of a model, over the fits of a row; None where answers come from files."""
    seconds = [cost.latency_median_s for cost in found.costs if cost.model == row.model]
    measured = [one for one in seconds if one is not None]
    return statistics.median(measured) if measured else None


def _points(axes: Axes, found: Leaderboard, rows: list[Row], seconds: list[float]) -> None:
    """Draw the rows with a cost, each with its interval and its name."""
    figures = [row.figures[found.main] for row in rows]
    axes.set_xscale("log")
    axes.set_xlim(min(seconds) / 1.6, max(seconds) * 40)  # room for names
    colours = []
    for x, y in zip(seconds, figures, strict=True):
        beaten = any(x2 <= x and y2.mean > y.mean for x2, y2 in zip(seconds, figures, strict=True))
        colours.append(COLOURS["other" if beaten else "front"])
        if y.low is not None and y.high is not None:
            axes.plot([x, x], [y.low, y.high], color=colours[-1], linewidth=1, alpha=0.35)
        axes.plot([x], [y.mean], "o", color=colours[-1], markersize=5)
    axes.set_ylim(*axes.get_ylim())
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # names are placed by what they would cover
    taken: list[Bbox] = []
    for row, x, y, colour in zip(rows, seconds, figures, colours, strict=True):
        _name(axes, row.model, (x, y.mean), colour, taken)


def _name(axes: Axes, text: str, at: tuple[float, float], colour: str, taken: list[Bbox]) -> None:
    """Write a name beside its point, at the first place where it covers no other name."""
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for across, up in ((7, -3), (7, 6), (7, -12), (-7, -3), (7, 14), (7, -20)):
        label = axes.annotate(
            text, at, xytext=(across, up), textcoords="offset points", fontsize=8, color=colour,
            ha="left" if across > 0 else "right",
        )  # fmt: skip
        box = label.get_window_extent(renderer)
        if box.x0 > axes.bbox.x0 and not any(box.overlaps(other) for other in taken):
            break
        label.remove()
    else:
        axes.add_artist(label)
    taken.append(box)


def _lines(axes: Axes, found: Leaderboard, rows: list[Row]) -> None:
    """Draw the rows without a cost as lines across."""
    for row in rows:
        mean = row.figures[found.main].mean
        axes.axhline(mean, color=COLOURS["reference"], linewidth=1, linestyle="--")
        axes.annotate(
            f"{row.model} (logged answers)", (1, mean), xycoords=("axes fraction", "data"), xytext=(-2, 3),
            textcoords="offset points", ha="right", fontsize=8, color=COLOURS["reference"],
        )  # fmt: skip
