"""Runs of a tiny protocol with models of the project and of outsiders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_run import HERE, TEXT, Go, Silent

from bench.adapters import registry
from bench.data.sources import open_source
from bench.protocol import reading
from bench.records.record import Record
from bench.records.record import read as read_record
from bench.records.store import Run, read_json
from bench.running import hardware, runner


@pytest.fixture(autouse=True)
def _outside_models_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HERE.parent), str(HERE))))


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """Run models on the tiny protocol; return the run, its records and what was said."""

    def run(
        *models: object, limit: float = 60, jobs: int = 1, overrides: tuple[str, ...] = ()
    ) -> tuple[Run, list[Record], Silent]:
        path = tmp_path / "tiny.yaml"
        path.write_text(TEXT.format(models=list(models), limit=limit))
        wanted = reading.load(path, overrides=overrides)
        source = open_source(wanted.data.source, seed=wanted.data.seed, options=dict(wanted.data.options))
        said = Silent()
        made = runner.run(wanted, source, tmp_path / "runs", hardware.detect(jobs, "cpu"), said)
        cases = read_json(made.folder / "run.json")["cases"]
        return made, [read_record(made.record_path(case)) for case in cases], said

    return run


@pytest.fixture
def outside() -> Callable[[str], str]:
    """Register an outsider's adapter; return its name."""
    return lambda name: registry.add(f"outside_models:{name}")
