"""What all charts share: ink, fonts, and the mark (colour and shape) that a model has wherever it appears."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.adapters import registry

if TYPE_CHECKING:
    import altair as alt

INK = "currentColor"  # the text colour of the page, or that of the file (files.py)
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
FONT_SIZE = 12
# Okabe and Ito's colours, which colour-blind readers tell apart; the two lightest darkened for white ground.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC6FA3", "#C98A00", "#3A9BD9", "#7B5EA7", "#808080")
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")

Spec = dict[str, Any]
Step = dict[str, int]


class Mark(NamedTuple):
    """How a model is drawn."""

    colour: str
    shape: str


def marks(models: Iterable[str]) -> dict[str, Mark]:
    """Give every model a mark of its own.

    A name of the registry always has the same one. Others take the place that their name's hash says, or the next free
    one; with more models than marks some share theirs.
    """
    models = set(models)
    every = [Mark(colour, shape) for shape in SHAPES for colour in COLOURS]
    known = {name: every[i % len(every)] for i, name in enumerate(sorted(registry.names()))}
    found = {name: known[name] for name in models if name in known}
    taken = set(found.values())
    for name in sorted(models - set(found)):
        at = zlib.crc32(name.encode())
        turns = [every[(at + i) % len(every)] for i in range(len(every))]
        found[name] = next((mark for mark in turns if mark not in taken), turns[0])
        taken.add(found[name])
    return found


def finish(chart: alt.Chart | alt.LayerChart | alt.FacetChart, width: int | str | Step, height: int | Step) -> Spec:
    """Return the specification of a chart of that size (pixels, or of a row or column), in the common style."""
    spec: Spec = chart.properties(background="transparent").to_dict(
        validate=False
    )  # what is wrong shows when it is drawn; checking takes most of the time
    spec.pop("$schema", None)
    spec |= {"width": width, "height": height}
    spec["config"] = {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": INK, "titleColor": INK, "tickColor": INK, "domainColor": INK, "gridColor": INK,
            "gridOpacity": 0.12, "domainOpacity": 0.4, "tickOpacity": 0.4, "labelFontSize": FONT_SIZE - 1,
            "titleFontSize": FONT_SIZE, "titleFontWeight": "normal", "titlePadding": 8, "labelLimit": 260,
        },
        "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": FONT_SIZE - 1, "orient": "top",
                   "title": None, "labelLimit": 320, "symbolOpacity": 1},
        "text": {"color": INK, "fontSize": FONT_SIZE - 1},
        "rule": {"color": INK},
        "title": {"color": INK, "fontSize": FONT_SIZE + 1, "fontWeight": "normal", "anchor": "start"},
        "header": {"labelColor": INK, "titleColor": INK},
    }  # fmt: skip
    spec["autosize"] = {"type": "fit-x" if width == "container" else "pad", "contains": "padding"}
    return spec
