"""A protocol for tests, changes of it, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UserError
from bench.protocol import reading

TEXT = """\
schema: 1
name: tiny
version: 2
about: A protocol for tests.
data: {source: synthetic, cities: [A, B, C], seed: 3, options: {users: 50}}
window: {history: [0, 9], horizon: [10, 12]}
splits:
  - {train: {cities: [B], days: [0, 9]}, test: [B, C]}
  - train: {cities: [A, B], days: [0, 12], shares: {A: 0.5}}
    test: [C]
    users: {train: 5}
users: {train: 20, validate: 4, test: {last: 9}}
models:
  - user_mode
  - {use: slot_mode, name: The mode}
metrics: {main: geobleu@humob24, also: [dtw@fixed]}
scales:
  full:
    users: {train: all, test: 30}
    seeds: [0, 1]
floor: false
"""


def changed(file: Path, *replacements: tuple[str, str]) -> Path:
    """Rewrite the file with some of its text replaced."""
    text = file.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return file


def faults(file: Path, **given: object) -> list[str]:
    """Return the messages of a protocol that cannot be read, without the folder."""
    with pytest.raises(UserError) as caught:
        reading.load(file, **given)  # type: ignore[arg-type]
    return [message.replace(f"{file.parent}/", "") for message in caught.value.messages]
