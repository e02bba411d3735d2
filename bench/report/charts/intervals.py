"""Figures with their intervals: one below the other, or as a field of shades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.report.charts.style import INK, Spec, finish

if TYPE_CHECKING:
    import altair as alt

LINE = 22  # pixels of a row
STEPS = {4: 84, 8: 56, 24: 40}  # up to so many columns, pixels of one with its figure
THIN = 17  # pixels of a column without
LIGHT, DARK = "#ffffff", "#10243a"  # ink on a dark and on a light shade
MANY = max(STEPS)  # columns up to which figures have room


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


def step(columns: int) -> int:
    """How many pixels wide each of so many columns of shades is."""
    return next((wide for most, wide in STEPS.items() if columns <= most), THIN)


def shades(rows: Sequence[Mapping[str, Any]], title: str, *, lower: bool) -> Spec:
    """Draw rows {name, column, value, text} as a field of shades, the bluer the better; lower: less is better."""
    import altair as alt

    base, x, y, tip = _field(rows, title)
    base = base.transform_joinaggregate(least="min(value)", most="max(value)", columns="distinct(column)")
    colour = alt.Color("value:Q", scale=alt.Scale(scheme="blues", reverse=lower), legend=None)
    dark = f"datum.value {'<' if lower else '>'} (datum.least + datum.most) / 2"
    texts = _texts(base, f"{dark} ? '{LIGHT}' : '{DARK}'").encode(x=x, y=y)
    return _field_of(_cells(base).encode(x=x, y=y, color=colour, tooltip=tip), texts, rows)


def differences(rows: Sequence[Mapping[str, Any]], title: str) -> Spec:
    """Draw rows {name, column, value, text, tip, sure} as a field of shades: blue above 0, orange below.

    A shade goes with the root of the difference, so that small ones show beside large ones. Those that are not ``sure``
    have none.
    """
    import altair as alt

    base, x, y, tip = _field(rows, title)
    base = base.transform_calculate(size="abs(datum.value)")
    base = base.transform_joinaggregate(reach="max(size)", columns="distinct(column)")
    base = base.transform_calculate(shade="(datum.value < 0 ? -1 : 1) * sqrt(datum.size / (datum.reach || 1))")
    scale = alt.Scale(scheme="blueorange", domain=[-1, 1], domainMid=0, reverse=True)
    colour = alt.condition("datum.sure", alt.Color("shade:Q", scale=scale, legend=None), alt.value("transparent"))
    tips = [*tip, alt.Tooltip("tip:N", title="95 % interval")]
    cells = _cells(base).encode(x=x, y=y, color=colour, tooltip=tips)
    ink = f"!datum.sure ? '{INK}' : abs(datum.shade) > 0.75 ? '{LIGHT}' : '{DARK}'"
    return _field_of(cells, _texts(base, ink).encode(x=x, y=y), rows)


def _field(rows: Sequence[Mapping[str, Any]], title: str) -> tuple[alt.Chart, alt.X, alt.Y, list[alt.Tooltip]]:
    """What fields of shades share: the chart, its axes, its tooltips."""
    import altair as alt

    x = alt.X("column:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, orient="top", ticks=False, domain=False))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    tips = {"name": "model", "column": "part", "text": title}
    return (
        alt.Chart(alt.Data(values=list(rows), name="rows")), x, y,
        [alt.Tooltip(f"{name}:N", title=said) for name, said in tips.items()],
    )  # fmt: skip


def _cells(base: alt.Chart) -> alt.Chart:
    return base.mark_rect(stroke="#8886", strokeWidth=0.5)


def _texts(base: alt.Chart, ink: str) -> alt.Chart:
    """The figures, where columns have room for them, in the ink that an expression says."""
    import altair as alt

    shown = base.transform_filter(f"datum.columns <= {MANY}").transform_calculate(ink=ink)
    return shown.mark_text(fontSize=10).encode(text="text:N", color=alt.Color("ink:N", scale=None))


def _field_of(cells: alt.Chart, texts: alt.Chart, rows: Sequence[Mapping[str, Any]]) -> Spec:
    import altair as alt

    layers = alt.layer(cells, texts).resolve_scale(color="independent")
    return finish(layers, {"step": step(len({row["column"] for row in rows}))}, {"step": LINE})
