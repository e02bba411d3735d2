"""Charts of a study: scores by trajectories with the Pareto front, what cities are worth, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.charts.style import COLOURS, Spec, finish

Rows = Sequence[Mapping[str, Any]]
BEST, OTHER = COLOURS[0], COLOURS[-1]
HEIGHT = 300  # pixels


def front(rows: Rows, y_title: str, x_title: str = "trajectories") -> Spec:
    """Draw trials {x, value, low, high, front, name}: those on the Pareto front are blue and named.

    Trials that cost the same stand side by side, best first.
    """
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows)))
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, padding=20))
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False))
    colour = alt.condition("datum.front", alt.value(BEST), alt.value(OTHER))
    tip = [alt.Tooltip("name:N", title="trial"), alt.Tooltip("x:Q", title=x_title)]
    tip += [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("value", "low", "high")]
    parts = [
        base.mark_rule(opacity=0.25).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour),
        base.mark_point(filled=True, size=60, opacity=0.9).encode(x=x, y=y, color=colour, tooltip=tip),
        base.transform_filter("datum.front").mark_text(align="left", dx=8, dy=-8).encode(x=x, y=y, text="name:N"),
    ]
    return finish(alt.layer(*parts), "container", HEIGHT)


def cities(rows: Rows, y_title: str) -> Spec:
    """Draw Shapley values {city, context, value, low, high}: a bar a context, with its interval."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows)))
    x = alt.X("city:N", title="training city", axis=alt.Axis(labelAngle=0))
    title = f"Shapley value, {y_title}"
    colour = alt.Color("context:N", scale=alt.Scale(range=list(COLOURS)), sort=None)
    shift = alt.XOffset("context:N", sort=None)
    tip = [alt.Tooltip("city:N"), alt.Tooltip("context:N"), alt.Tooltip("value:Q", format=".4~g")]
    parts = [
        base.mark_bar(opacity=0.85).encode(
            x=x, y=alt.Y("value:Q", title=title), color=colour, xOffset=shift, tooltip=tip
        ),
        base.mark_rule(strokeWidth=1.5).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", xOffset=shift),
    ]
    return finish(alt.layer(*parts), "container", HEIGHT)


def curves(rows: Rows, y_title: str) -> Spec:
    """Draw scores {x, value, low, high, group} along the number of trajectories, a line a mix of cities."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows)))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(groups))]
    dashes = [([1, 0], [6, 3], [2, 2])[i // len(COLOURS) % 3] for i in range(len(groups))]
    x = alt.X("x:Q", title="trajectories", scale=alt.Scale(zero=False, padding=20))
    colour = alt.Color("group:N", scale=alt.Scale(domain=groups, range=colours), sort=None)
    dash = alt.StrokeDash("group:N", scale=alt.Scale(domain=groups, range=dashes), sort=None)
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False))
    tip = [alt.Tooltip("group:N", title="cities"), alt.Tooltip("x:Q"), alt.Tooltip("value:Q", format=".4~g")]
    line = base.mark_line(point=True).encode(x=x, y=y, color=colour, strokeDash=dash, tooltip=tip)
    return finish(line, "container", HEIGHT)
