"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.errors import UserError

Data = Annotated[
    str | None, typer.Option("--data", help="Data in place of the file's: synthetic, humob:FOLDER, points:FILE.")
]
Scale = Annotated[str | None, typer.Option(help="One of the file's scales, e.g. full.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change a value: KEY=VALUE, e.g. users.test=20; repeatable.")
]
Adapters = Annotated[
    list[str] | None, typer.Option("--adapter", help="Your own model: module:Class or FILE.py:Class; repeatable.")
]
Out = Annotated[Path, typer.Option(help="Folder for records and results.")]


def read_settings(overrides: Iterable[str]) -> dict[str, Any]:
    """Return a model's settings as --set gives them: dotted keys, YAML values. Raises UserError with every fault."""
    from bench.protocol import yamlfile

    settings: dict[str, Any] = {}
    faults: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {text}: write it as KEY=VALUE")
            continue
        *path, last = key.strip().split(".")
        part = settings
        for name in path:
            part = part.setdefault(name, {})
        part[last] = yamlfile.parse(value, f"--set {text}", lines=False).plain()
    if faults:
        raise UserError(*faults)
    return settings


def number(text: str, option: str) -> int:
    """Return a number of users. Raises UserError."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise UserError(f"{option}: '{text}' is not a number of users; write e.g. 1,8,32")
    return int(text)
