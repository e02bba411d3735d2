"""bench list: names of models, protocols, metrics and sources. No model is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UserError, nearest

KINDS = ("models", "protocols", "metrics", "sources")
ROOT = Path(__file__).resolve().parent.parent.parent


def list_command(
    what: Annotated[str | None, typer.Argument(help=f"{', '.join(KINDS)}; default: all.")] = None,
) -> None:
    """List models, protocols, metrics and sources."""
    if what is not None and what not in KINDS:
        raise UserError(f"list: '{what}' is not known{nearest(what, KINDS)}")
    tables = {"models": _models, "protocols": _protocols, "metrics": _metrics, "sources": _sources}
    for kind in KINDS if what is None else (what,):
        rows = tables[kind]()
        if what is None:
            print(f"{kind}:")
        width = max((len(name) for name, _ in rows), default=0)
        for name, about in rows:
            print("\n".join(_lines(f"  {name:{width}}  ", about)))


def _lines(name: str, about: str) -> list[str]:
    """A row as lines: on a terminal, what does not fit goes below its beginning; elsewhere a row is a line."""
    import shutil
    import sys
    import textwrap

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if width <= 2 * len(name):
        return [f"{name}{about}".rstrip()]
    return textwrap.wrap(about, width, initial_indent=name, subsequent_indent=" " * len(name)) or [name.rstrip()]


def _models() -> list[tuple[str, str]]:
    """Names with the first line of each module's docstring, read without importing it."""
    from bench.adapters.registry import names

    rows = []
    for name, target in sorted(names().items()):
        module = target.partition(":")[0].replace(".", "/")
        files = [ROOT / f"{module}.py", ROOT / module / "__init__.py"]
        found = next((file for file in files if file.exists()), None)
        rows.append((name, _first_line(found) if found else f"from {target}"))
    return rows


def _first_line(file: Path) -> str:
    """The first line of a docstring, without the name that opens it."""
    with file.open(encoding="utf-8") as text:
        line = text.readline().strip().strip('"')
    return line.partition(": ")[2] or line


def _protocols() -> list[tuple[str, str]]:
    """Names of the shipped protocols and studies, with their line `about:`."""
    from bench.shipped import protocols

    rows = []
    for name, path in protocols().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        about = next((line.partition(":")[2].strip(' "') for line in lines if line.startswith("about:")), "")
        rows.append((name, f"{about} (bench study)" if path.parent.name == "studies" else about))
    return rows


def _metrics() -> list[tuple[str, str]]:
    from bench.evaluation import metrics

    found = [metrics.get(name) for name in (*metrics.names(), *metrics.OF_PROBABILITIES)]
    return [(m.name, f"{m.title}: {m.about} ({f'{m.unit}, ' if m.unit else ''}{m.better} is better)") for m in found]


def _sources() -> list[tuple[str, str]]:
    from bench.data.sources import KINDS as SOURCES

    return list(SOURCES.items())
