"""Publishing a run: synthetic people in full, real people never."""

from __future__ import annotations

import json
from pathlib import Path

from mock_run import TYPICAL, make_run
from rich.console import Console

from bench.cli.report import make_report
from bench.records.manifest import read_run

SPLITS = [("B", ("C",))]
QUIET = Console(quiet=True)


def test_a_published_synthetic_run_makes_the_same_leaderboard_again(tmp_path: Path) -> None:
    make_run(tmp_path / "run", TYPICAL[:4], SPLITS, synthetic=True)
    make_report(tmp_path / "run", QUIET, tmp_path / "published")
    first = (tmp_path / "published" / "leaderboard.md").read_bytes()
    make_report(tmp_path / "published", QUIET, tmp_path / "again")
    assert (tmp_path / "again" / "leaderboard.md").read_bytes() == first


def test_of_real_people_no_single_score_leaves(tmp_path: Path) -> None:
    records = make_run(tmp_path / "run", TYPICAL[:4], SPLITS, synthetic=True)
    one = tmp_path / "run" / "records" / f"{records[0].identity.cost}.json"
    content = json.loads(one.read_text())
    content["data"]["synthetic"] = False
    one.write_text(json.dumps(content))
    make_report(tmp_path / "run", QUIET, tmp_path / "published")
    left = {path.name for path in (tmp_path / "published").iterdir()}
    assert left == {"accuracy.svg", "leaderboard.csv", "leaderboard.md", "records", "run.json"}
    assert all(record.files == {} for record in read_run(tmp_path / "published").records)


def test_what_an_earlier_run_left_is_dropped_and_other_files_stay(tmp_path: Path) -> None:
    make_run(tmp_path / "run", TYPICAL[:4], SPLITS, synthetic=True)
    stray = tmp_path / "published" / "records" / f"{'0' * 20}.json"
    stray.parent.mkdir(parents=True)
    stray.write_text("{}")
    (stray.parent / "notes.json").write_text("{}")
    make_report(tmp_path / "run", QUIET, tmp_path / "published")
    assert not stray.exists()
    assert (stray.parent / "notes.json").exists()
