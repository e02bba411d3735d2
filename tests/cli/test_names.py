"""bench list: a row is a line in a file, and stands in its column on a terminal."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from bench.cli import names


def test_rows_are_lines_in_a_file_and_wrapped_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names.list_command("protocols")
    whole = capsys.readouterr().out.splitlines()
    assert all(line.startswith("  ") and line[2] != " " for line in whole)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    names.list_command("protocols")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 < max(map(len, whole))
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(whole).split())
