"""Figures along a number: a setting, the steps of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from bench.report.charts.style import COLOURS, Spec, finish


def along(
    rows: Sequence[Mapping[str, Any]], x_title: str, y_title: str, *, numeric: bool, log: bool, lower: bool
) -> Spec:
    """Draw rows {x, value, low, high, group, detail} along a setting: a line a group where the setting is a number."""
    ticks = tuple(sorted({row["x"] for row in rows})) if numeric else ()
    slanted = not numeric and max(len(str(row["x"])) for row in rows) > 8
    chart = _along(x_title, y_title, ticks, log=numeric and log, lower=lower, slanted=slanted)
    return {**chart, "datasets": {"rows": list(rows)}}


@cache
def _along(x_title: str, y_title: str, ticks: tuple[float, ...], *, log: bool, lower: bool, slanted: bool) -> Spec:
    """The chart without its rows. ticks: where the setting is a number. Kept, because a page holds many of them."""
    import altair as alt

    base = alt.Chart(alt.NamedData("rows"))
    numeric = bool(ticks)
    kind = "Q" if numeric else "N"
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False) if numeric else alt.Scale()
    axis = alt.Axis(labelAngle=-25 if slanted else 0, grid=numeric, values=list(ticks) if numeric else alt.Undefined)
    x = alt.X(f"x:{kind}", title=x_title, scale=scale, axis=axis, sort=alt.Undefined if numeric else None)
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False, reverse=lower))
    colour = alt.Color("group:N", scale=alt.Scale(range=list(COLOURS)))
    tip = [alt.Tooltip("detail:N", title="case"), alt.Tooltip("group:N"), alt.Tooltip("x:N", title=x_title)]
    tip += [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("value", "low", "high")]
    offset = {} if numeric else {"xOffset": alt.XOffset("group:N")}
    parts = [
        base.mark_rule(strokeWidth=1.5, opacity=0.55).encode(
            x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour, **offset
        ),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=x, y=y, color=colour, shape=alt.Shape("group:N", legend=None), tooltip=tip, **offset
        ),
    ]
    if numeric:
        parts.insert(0, base.mark_line(opacity=0.8).encode(x=x, y=alt.Y("mean(value):Q"), color=colour))
    return finish(alt.layer(*parts), "container", 260)


def curves(rows: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> Spec:
    """Draw rows {x, value, name, colour, detail} as lines, one a detail."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows), name="rows"))
    named = {row["name"]: row["colour"] for row in rows}
    scale = alt.Scale(domain=list(named), range=list(named.values()))
    colour = alt.Color("name:N", scale=scale, legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2))
    tips = [alt.Tooltip("name:N", title="model"), alt.Tooltip("detail:N", title="fit"), alt.Tooltip("value:Q")]
    line = base.mark_line(strokeWidth=1.5, opacity=0.75).encode(
        x=alt.X("x:Q", title=x_title, axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False)),
        color=colour, detail="detail:N", tooltip=tips,
    )  # fmt: skip
    return finish(line, "container", 240)


def side_by_side(diagrams: Mapping[str, Sequence[Mapping[str, Any]]], x_title: str) -> Spec:
    """Draw diagrams beside each other: title of the y axis -> rows {x, value, group}, a line a group."""
    import altair as alt

    parts = []
    for title, rows in diagrams.items():
        legend = alt.Legend() if any(row["group"] for row in rows) else None
        line = (
            alt.Chart(alt.Data(values=list(rows)))
            .mark_line()
            .encode(
                x=alt.X("x:Q", title=x_title),
                y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
                color=alt.Color("group:N", scale=alt.Scale(range=list(COLOURS)), sort=None, legend=legend),
            )
        )
        parts.append(finish(line, 360, 240))
    shared = {"config": parts[0]["config"], "background": "transparent"}
    inner = [{k: v for k, v in part.items() if k not in ("config", "background", "autosize")} for part in parts]
    return {**shared, "hconcat": inner, "resolve": {"scale": {"color": "independent"}}}
