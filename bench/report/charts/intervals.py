"""Figures with their intervals: one below the other, or as a field of shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.charts.style import Spec, finish

LINE = 22  # pixels of a row
CELL, THIN = 40, 15  # pixels of a column with its figure, and without
MANY = 16  # columns from which on figures have no room


def forest(rows: Sequence[Mapping[str, Any]], title: str, *, zero: bool, width: int | str = 560) -> Spec:
    """Draw rows {name, value, low, high, colour, shape}, in the order given. zero: a line at 0, for differences."""
    import altair as alt

    base = alt.Chart(alt.Data(values=list(rows), name="rows"))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False, labelPadding=8))
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=zero), axis=alt.Axis(tickCount=6))
    colour, shape = alt.Color("colour:N", scale=None), alt.Shape("shape:N", scale=None)
    tips = [alt.Tooltip("name:N", title="model")]
    tips += [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("value", "low", "high")]
    parts = [
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(
            x=alt.X("low:Q", title=title), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tips),
    ]
    if zero:
        parts.insert(0, alt.Chart(alt.Data(values=[{"at": 0}])).mark_rule(opacity=0.6).encode(x=alt.X("at:Q")))
    return finish(alt.layer(*parts), width, LINE * max(2, len(rows)))


def shades(rows: Sequence[Mapping[str, Any]], unit: str, *, lower: bool) -> Spec:
    """Draw rows {name, column, value, text} as a field of shades, darker the better; lower: whether less is better."""
    import altair as alt

    columns = list(dict.fromkeys(row["column"] for row in rows))
    names = list(dict.fromkeys(row["name"] for row in rows))
    values = [row["value"] for row in rows]
    middle = (min(values) + max(values)) / 2
    base = alt.Chart(alt.Data(values=list(rows), name="rows"))
    x = alt.X("column:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, orient="top", ticks=False, domain=False))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    scale = alt.Scale(scheme="blues", reverse=lower)
    tip = [
        alt.Tooltip(f"{name}:N", title=said) for name, said in (("name", "model"), ("column", "part"), ("text", unit))
    ]
    cells = base.mark_rect(stroke="#8886", strokeWidth=0.5).encode(
        x=x, y=y, color=alt.Color("value:Q", scale=scale, legend=None), tooltip=tip
    )
    dark = f"datum.value {'<' if lower else '>'} {middle}"
    texts = base.mark_text(fontSize=10).encode(
        x=x, y=y, text="text:N", color=alt.condition(dark, alt.value("#ffffff"), alt.value("#10243a"))
    )
    layers = alt.layer(cells, texts) if len(columns) <= MANY else alt.layer(cells)
    return finish(layers, max(240, (CELL if len(columns) <= MANY else THIN) * len(columns)), LINE * len(names))
