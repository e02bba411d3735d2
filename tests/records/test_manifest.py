"""Publishing a run: synthetic people in full, real people never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mock_run import TYPICAL, make_record, make_run
from rich.console import Console

from bench.cli.report import make_report
from bench.records.manifest import read_run
from bench.records.record import SliceScore

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
    assert left == {"accuracy.svg", "leaderboard.csv", "leaderboard.md", "records", "run.json", "slices.csv"}
    head = (tmp_path / "published" / "slices.csv").read_text().splitlines()[0]
    assert head == "test_city,model,learned_from,users,metric"  # no part of so few people
    assert all(record.files == {} for record in read_run(tmp_path / "published").records)


@pytest.mark.parametrize(
    ("users", "synthetic", "left"), [(60, False, (1, 0)), (160, False, (1, 8)), (60, True, (2, 8))]
)
def test_of_real_people_no_mean_over_few_leaves(users: int, synthetic: bool, left: tuple[int, int]) -> None:
    record, _ = make_record(TYPICAL[0], "B", "C", 0, users=users, synthetic=synthetic)
    few = {"hour=3": SliceScore(users=39, mean=0.1), "hour=8": SliceScore(users=40, mean=0.2)}
    quarters = {f"{kind}_q{quarter}": 0.3 for kind in ("activity", "gyration") for quarter in range(1, 5)}
    scores = {name: part.model_copy(update={"slices": few, "groups": quarters}) for name, part in record.scores.items()}
    shared = record.model_copy(update={"scores": scores}).for_others()
    for score in shared.scores.values():
        assert (len(score.slices), len(score.groups)) == left
    assert shared.identity == record.identity


def test_what_an_earlier_run_left_is_dropped_and_other_files_stay(tmp_path: Path) -> None:
    make_run(tmp_path / "run", TYPICAL[:4], SPLITS, synthetic=True)
    stray = tmp_path / "published" / "records" / f"{'0' * 20}.json"
    stray.parent.mkdir(parents=True)
    stray.write_text("{}")
    (stray.parent / "notes.json").write_text("{}")
    make_report(tmp_path / "run", QUIET, tmp_path / "published")
    assert not stray.exists()
    assert (stray.parent / "notes.json").exists()
