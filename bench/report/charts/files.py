"""Charts as files: SVG, PNG and PDF by vl-convert, without a browser."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bench.errors import UserError
from bench.files import write_text, write_with
from bench.report.charts.style import INK, Spec

NEEDED = ("altair", "jinja2", "vl_convert")
SHEET = "<style>svg{color:#1b2733}@media(prefers-color-scheme:dark){svg{color:#dfe7ee}}</style>"
DARK = "#1b2733"
SIZE = 560  # pixels in place of the page's own width


def available() -> bool:
    """Whether the libraries that draw are installed."""
    return all(find_spec(name) for name in NEEDED)


def require(what: str) -> None:
    """Raise UserError where a library that draws is not installed."""
    if not available():
        raise UserError(f"{what} needs Altair, Jinja2 and vl-convert: pip install 'mobility-bench[figures]'")


def svg(spec: Spec) -> str:
    """Return the chart as SVG, whose ink follows the reader's light or dark ground."""
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(_sized(spec))
    head, _, rest = text.partition(">")
    return f"{head}>{SHEET}{rest}"


def write(spec: Spec, path: Path, kinds: tuple[str, ...] = ("svg", "png", "pdf")) -> list[Path]:
    """Write a chart beside ``path``, one file a kind; return the files."""
    import vl_convert

    inked = json.loads(json.dumps(_sized(spec)).replace(INK, DARK)) | {"background": "white"}
    made = []
    for kind in kinds:
        target = path.with_suffix(f".{kind}")
        if kind == "svg":
            write_text(target, svg(spec))
        else:
            draw = partial(vl_convert.vegalite_to_png, scale=2) if kind == "png" else vl_convert.vegalite_to_pdf
            content: bytes = draw(inked)
            write_with(target, partial(_write, content))
        made.append(target)
    return made


def _write(content: bytes, part: Path) -> None:
    part.write_bytes(content)


def _sized(spec: Spec) -> Spec:
    """A file has no container whose width it could take."""
    if spec.get("width") != "container":
        return spec
    return spec | {"width": SIZE, "autosize": {"type": "pad", "contains": "padding"}}
