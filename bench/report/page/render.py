"""Content, template and libraries -> one HTML file that asks for nothing else.

All content is compressed JSON in base 64, so no text of it can end a script or start one. The page puts it on screen as
text, never as markup. A content security policy lets only the page's own scripts run and forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.files import write_text
from bench.report.tables import plain

HERE = Path(__file__).resolve().parent
SCRIPTS = ("base.js", "tables.js", "sections.js", "people.js", "main.js")
STYLES = ("vendor/tabulator_simple.min.css", "page.css")
# In JSON of ASCII alone: control characters, and marks that turn the direction of the text around them.
UNSEEN = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:[bf]|u(?:00[01]\w|00[89]\w|061c|200[ef]|202[a-e]|206[6-9]))|\x7f")


def write(parts: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Write the page of runs and studies (see content.py, studies.py); single users go into parts of their own."""
    people = [part.pop("people", None) for part in parts]
    write_text(path, render(list(parts), people, title))


def render(parts: Sequence[dict[str, Any]], people: Sequence[dict[str, Any] | None], title: str) -> str:
    """Return the page."""
    import jinja2

    loader = jinja2.FileSystemLoader(HERE)
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("page.html.j2")
    scripts = [_read("vendor/tabulator.min.js"), "\n".join(map(_read, SCRIPTS))]
    return template.render(
        title=plain(title),
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in (*scripts, _vega())),
        styles="\n".join(map(_read, STYLES)),
        scripts=scripts,
        later=_vega(),
        content=_packed(list(parts)),
        people=[_packed(users) if users else "" for users in people],
    )


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; it runs when the first chart is drawn (base.js)."""
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{text}\n}})();".replace("</script", "<\\/script")  # its names stay its own


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _packed(content: Any) -> str:
    text = UNSEEN.sub(lambda found: found[1] or "", json.dumps(content, separators=(",", ":"), allow_nan=False))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
