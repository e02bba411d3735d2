"""Charts of a study: scores by what trials cost with the Pareto front, what cities are worth, learning curves."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.charts.style import COLOURS, Spec, finish

Rows = Sequence[Mapping[str, Any]]
BEST, OTHER = COLOURS[0], COLOURS[-1]
HEIGHT = 300  # pixels
NAMED = 4  # trials of a front up to which their names have room


def front(rows: Rows, y_title: str, x_title: str = "trajectories", lines: Mapping[str, float] | None = None) -> Spec:
    """Draw trials {x, value, low, high, front, name}: those on the Pareto front are blue and, if they are few, named.

    Trials that cost the same stand side by side. lines: names and heights of lines across.
    """
    import altair as alt

    placed = _side_by_side(rows)
    ends = [row["place"] for row in placed]
    middle = (min(ends) + max(ends)) / 2
    levels = sorted({row["x"] for row in rows})
    axis = alt.Axis(values=levels) if len(levels) <= 10 else alt.Axis()
    base = alt.Chart(alt.Data(values=placed))
    x = alt.X("place:Q", title=x_title, scale=alt.Scale(zero=False, padding=24, nice=False), axis=axis)
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False))
    colour = alt.condition("datum.front", alt.value(BEST), alt.value(OTHER))
    tip = [alt.Tooltip("name:N", title="trial"), alt.Tooltip("x:Q", title=x_title)]
    tip += [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("value", "low", "high")]
    parts = [
        base.mark_rule(opacity=0.3).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour),
        base.mark_point(filled=True, size=50, opacity=0.95).encode(x=x, y=y, color=colour, tooltip=tip),
    ]
    best = [row for row in placed if row["front"]]
    for left in (True, False):
        named = [row for row in best if (row["place"] <= middle) == left]
        if named and len(best) <= NAMED:
            texts = alt.Chart(alt.Data(values=named))
            side = texts.mark_text(align="left" if left else "right", dx=7 if left else -7, dy=-9)
            parts.append(side.encode(x=x, y=y, text="name:N"))
    for name, height in (lines or {}).items():
        across = alt.Chart(alt.Data(values=[{"name": name, "at": height}]))
        parts.append(across.mark_rule(strokeDash=[4, 3], opacity=0.7).encode(y="at:Q"))
        parts.append(across.mark_text(align="left", dy=-6, x=4).encode(y="at:Q", text="name:N"))
    return finish(alt.layer(*parts), "container", HEIGHT)


def _side_by_side(rows: Rows) -> list[dict[str, Any]]:
    """Give trials with as many trajectories places a little apart."""
    levels: dict[float, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        levels[row["x"]].append(row)
    at = sorted(levels)
    gap = min((b - a for a, b in itertools.pairwise(at)), default=1.0)
    most = max(map(len, levels.values()))
    return [
        {**row, "place": x + (i - (len(level) - 1) / 2) * 0.8 * gap / most}
        for x, level in levels.items()
        for i, row in enumerate(level)
    ]


def cities(rows: Rows, y_title: str) -> Spec:
    """Draw Shapley values {city, context, value, low, high}: a bar a context, with its interval."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows)))
    x = alt.X("city:N", title="training city", sort=None, axis=alt.Axis(labelAngle=0))
    title = f"Shapley value, {y_title}"
    colour = alt.Color("context:N", scale=alt.Scale(range=list(COLOURS)), sort=None)
    shift = alt.XOffset("context:N", sort=None)
    tip = [alt.Tooltip("city:N"), alt.Tooltip("context:N"), alt.Tooltip("value:Q", format=".4~g")]
    y, low = alt.Y("value:Q", title=title), alt.Y("low:Q", title=title)
    parts = [
        base.mark_bar(opacity=0.85).encode(x=x, y=y, color=colour, xOffset=shift, tooltip=tip),
        base.mark_rule(strokeWidth=1.5).encode(x=x, y=low, y2="high:Q", xOffset=shift),
    ]
    return finish(alt.layer(*parts), "container", HEIGHT)


def curves(rows: Rows, y_title: str) -> Spec:
    """Draw scores {x, value, group} along the number of trajectories, a line a mix of cities."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows)))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(groups))]
    dashes = [([1, 0], [6, 3], [2, 2])[i // len(COLOURS) % 3] for i in range(len(groups))]
    levels = sorted({row["x"] for row in rows})
    axis = alt.Axis(values=levels) if len(levels) <= 10 else alt.Axis()
    x = alt.X("x:Q", title="trajectories", scale=alt.Scale(zero=False, padding=20, nice=False), axis=axis)
    legend = alt.Legend(orient="right", symbolType="stroke", symbolSize=200)
    colour = alt.Color("group:N", scale=alt.Scale(domain=groups, range=colours), sort=None, legend=legend)
    dash = alt.StrokeDash("group:N", scale=alt.Scale(domain=groups, range=dashes), sort=None, legend=legend)
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False))
    tip = [alt.Tooltip("group:N", title="cities"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4~g")]
    line = base.mark_line().encode(x=x, y=y, color=colour, strokeDash=dash)
    dots = base.mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, color=colour, tooltip=tip)
    return finish(alt.layer(line, dots), "container", HEIGHT)
