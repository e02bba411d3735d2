"""Accuracy against what it costs, on a log scale: seconds a trajectory, or parameters; with the Pareto front."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bench.report.charts.labels import LINE, Box, Point, place
from bench.report.charts.style import INK, Spec, finish

if TYPE_CHECKING:
    import altair as alt

Row = dict[str, Any]
ROOM = 1.7  # factor left free on both sides of the log scale
SECONDS = "datum.value < 1 ? format(datum.value * 1000, '~r') + ' ms' : format(datum.value, '~r') + ' s'"
COUNT = "datum.value < 1e3 ? format(datum.value, 'd') : replace(format(datum.value, '~s'), 'G', ' B')"


@dataclass(frozen=True)
class Frame:
    """Both axes: from where to where, and how many pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int
    downwards: bool  # less is better: the best still stands on top

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is drawn."""
        low, high = map(math.log, self.x)
        share = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.width * (math.log(x) - low) / (high - low), self.height * (share if self.downwards else 1 - share)

    def values(self, across: float, down: float) -> tuple[float, float]:
        """The point of a pixel."""
        low, high = map(math.log, self.x)
        share = down / self.height if self.downwards else 1 - down / self.height
        return math.exp(low + across / self.width * (high - low)), self.y[0] + share * (self.y[1] - self.y[0])


def accuracy(
    rows: Sequence[Mapping[str, Any]], x_title: str, y_title: str, *, lower: bool, labels: str, size: tuple[int, int]
) -> Spec | None:
    """Draw rows {name, x, y, low, high, colour, shape, family}; None where fewer than two have a cost.

    A row whose x is None has answers from a file: a line across. lower: whether less is better. labels: the expression
    that writes a tick of the x axis. size: width and height in pixels.
    """
    timed = [dict(row) for row in rows if row["x"]]
    lines = [dict(row) for row in rows if not row["x"]]
    if len(timed) < 2:
        return None
    frame = _frame(timed, lines, size, lower)
    _mark_front(timed, lower)
    _add_labels(timed, lines, frame)
    chart = _layers(x_title, y_title, labels, size, lower, bool(lines))
    ticks = [10.0**n for n in range(math.floor(math.log10(frame.x[0])), math.ceil(math.log10(frame.x[1])) + 1)]
    values = {"x_domain": list(frame.x), "y_domain": list(frame.y), "x_ticks": ticks}
    params = [{"name": name, "value": value} for name, value in values.items()]
    return {**chart, "params": params, "datasets": {"timed": timed, "lines": lines}}


def _frame(timed: Sequence[Row], lines: Sequence[Row], size: tuple[int, int], lower: bool) -> Frame:
    xs = [row["x"] for row in timed]
    ends = [row[name] for row in timed for name in ("low", "y", "high") if row[name] is not None]
    ends += [row["y"] for row in lines]
    spare = 0.04 * (max(ends) - min(ends)) or 1.0
    return Frame((min(xs) / ROOM, max(xs) * ROOM), (min(ends) - spare, max(ends) + spare), *size, lower)


def _mark_front(rows: Sequence[Row], lower: bool) -> None:
    """Say of each row whether none is both cheaper and better."""
    sign = -1 if lower else 1
    for row in rows:
        row["front"] = not any(
            (o["x"] < row["x"] and sign * (o["y"] - row["y"]) >= 0)
            or (o["x"] <= row["x"] and sign * (o["y"] - row["y"]) > 0)
            for o in rows
        )


def _add_labels(timed: Sequence[Row], lines: Sequence[Row], frame: Frame) -> None:
    """Put the place of its name into every row."""
    points = [Point(*frame.pixels(row["x"], row["y"]), row["name"]) for row in timed]
    points += [Point(frame.width, frame.pixels(frame.x[0], row["y"])[1], row["name"], fixed=True) for row in lines]
    labels = place(points, frame.width, frame.height, [*_steps(timed, frame), *_bars(timed, frame)])
    for row, point, label in zip((*timed, *lines), points, labels, strict=True):
        row["label_x"], row["label_y"] = frame.values(label.x, label.y)
        row["side"], row["far"] = label.side, abs(label.y - point.y) > 1.2 * LINE


def _steps(rows: Sequence[Row], frame: Frame) -> Iterator[Box]:
    """The steps of the Pareto front, as boxes."""
    front = sorted((frame.pixels(row["x"], row["y"]) for row in rows if row["front"]), key=lambda at: at[0])
    for (x, y), (x2, y2) in itertools.pairwise(front):
        yield x, y - 1, x2, y + 1
        yield x2 - 1, min(y, y2), x2 + 1, max(y, y2)


def _bars(rows: Sequence[Row], frame: Frame) -> Iterator[Box]:
    """The intervals, as boxes."""
    for row in rows:
        if row["low"] is not None and row["high"] is not None:
            (x, one), (_, other) = frame.pixels(row["x"], row["low"]), frame.pixels(row["x"], row["high"])
            yield x - 1, min(one, other), x + 1, max(one, other)


@cache
def _layers(x_title: str, y_title: str, labels: str, size: tuple[int, int], lower: bool, lines: bool) -> Spec:
    """The chart without its rows: they are the data sets timed and lines, its axes the parameters of :func:`accuracy`.

    Kept, because a page holds many of them.
    """
    import altair as alt

    axis = alt.Axis(labelExpr=labels, values=alt.ExprRef("x_ticks"), title=x_title, grid=True)
    scale = alt.Scale(domain=alt.ExprRef("y_domain"), nice=False, zero=False, reverse=lower)
    x = alt.X("x:Q", scale=alt.Scale(type="log", domain=alt.ExprRef("x_domain"), nice=False), axis=axis)
    y = alt.Y("y:Q", scale=scale, title=y_title, axis=alt.Axis(tickCount=6))
    colour, shape = alt.Color("colour:N", scale=None), alt.Shape("shape:N", scale=None)
    tip = [alt.Tooltip("name:N", title="model"), alt.Tooltip("y:Q", format=".4~g"), alt.Tooltip("x:Q", format=".3~g")]
    base, across = alt.Chart(alt.NamedData("timed")), alt.Chart(alt.NamedData("lines"))
    front = base.transform_filter("datum.front")
    leader = base.transform_filter("datum.far").mark_rule(strokeWidth=0.8, opacity=0.5)
    parts = [
        front.mark_line(interpolate="step-after", color=INK, opacity=0.35, strokeDash=[2, 3]).encode(x, y),
        base.mark_rule(opacity=0.4, strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q", color=colour),
        leader.encode(x=x, y=y, x2="label_x:Q", y2="label_y:Q", color=colour),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tip),
        *_names(base),
    ]
    if lines:
        ruler = across.mark_rule(strokeDash=[6, 4], strokeWidth=1.5).encode(y="y:Q", color=colour, tooltip=tip[:2])
        parts += [ruler, *_names(across)]
    return finish(alt.layer(*parts), *size)


def _names(base: alt.Chart) -> list[alt.Chart]:
    """The names, those left and those right of their points apart, for a text's side is no encoding."""
    right, left = (base.transform_filter(f"datum.side === '{side}'") for side in ("right", "left"))
    texts = right.mark_text(align="left", baseline="middle"), left.mark_text(align="right", baseline="middle")
    return [text.encode(x="label_x:Q", y="label_y:Q", text="name:N") for text in texts]
