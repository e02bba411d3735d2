"""What results/ publishes: made again from its records, the same to the byte; nothing of real people but aggregates."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bench.cli.report import make_report
from bench.records.manifest import read_run
from bench.running.plan import identity_of

RESULTS = Path(__file__).resolve().parents[2] / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/run.json"))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_published_leaderboard_is_made_again_from_its_records(run: Path, tmp_path: Path) -> None:
    make_report(run, Console(quiet=True), tmp_path)
    for name in ("leaderboard.md", "leaderboard.csv"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (run / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_published_records_are_of_synthetic_people_and_keep_their_identity(run: Path) -> None:
    records = read_run(run).records
    assert records
    for record in records:
        assert record.data is None or record.data.synthetic
        assert identity_of(record) == record.identity


def test_runs_on_real_people_leave_leaderboards_only() -> None:
    folders = [path for path in RESULTS.iterdir() if path.is_dir() and path.name != "studies"]  # of synthetic people
    real = [path for path in folders if not (path / "run.json").exists()]
    for folder in real:
        if not list(folder.rglob("*.json")):
            assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {".md", ".csv"}
