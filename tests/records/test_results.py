"""What results/ publishes: made again from its records, the same to the byte; nothing of real people but aggregates."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli.report import make_report
from bench.records.manifest import MANIFEST, read_run
from bench.records.record import LEAST_PEOPLE
from bench.report.figures import NAME as FIGURE
from bench.running.plan import identity_of

RESULTS = Path(__file__).resolve().parents[2] / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/run.json"))
LEADERBOARDS = {"leaderboard.md", "leaderboard.csv"}
PAGES = {"README.md", "claims.md", "index.html", "published.yaml"}
PARTS = "slices.csv"  # of runs that were reported since there are parts


def is_synthetic(run: Path) -> bool:
    return all(record.data.synthetic for record in read_run(run).records if record.data)


SYNTHETIC = [run for run in RUNS if is_synthetic(run)]


def faults(results: Path) -> Iterator[str]:
    """Files of a results folder that nothing names, and what real people's runs must not hold."""
    here = {path.name for path in results.iterdir() if path.is_file()}
    yield from (f"{name}: belongs to no run" for name in sorted(here - PAGES))
    for study in sorted(path for path in results.glob("studies/*") if path.is_dir()):
        yield from _of_a_study(study)
    for folder in sorted(path for path in results.iterdir() if path.is_dir() and path.name != "studies"):
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        if MANIFEST not in files:
            yield from _of_tables(folder, files)
            continue
        content = read_run(folder)
        named = {
            MANIFEST,
            *LEADERBOARDS,
            *({FIGURE, PARTS} & files),
            *(f"records/{record.identity.cost}.json" for record in content.records),
        }
        named |= {name for record in content.records for name in record.files.values()}
        yield from (f"{folder.name}/{name}: the manifest names no such file" for name in sorted(files - named))
        yield from (f"{folder.name}/{name}: is missing" for name in sorted(named - files))
        yield from (f"{folder.name}: case {case} has no record" for case in content.absent)
        real = [record for record in content.records if record.data and not record.data.synthetic]
        yield from (
            f"{folder.name}: {record.identity.cost} names files of real people" for record in real if record.files
        )
        yield from (
            f"{folder.name}: {record.identity.cost} holds a slice of {part.users} real people"
            for record in real
            for score in record.scores.values()
            for part in score.slices.values()
            if part.users < LEAST_PEOPLE
        )


def _of_a_study(folder: Path) -> Iterator[str]:
    """A study holds its report, its trials, values of cities, and the figures that the report shows."""
    report = (folder / "study.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"figures/[\w.-]+", report))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    named = {"study.md", "trials.csv", *({"cities.csv"} & files), *shown}
    yield from (f"{folder.name}/{name}: the study shows no such file" for name in sorted(files - named))
    yield from (f"{folder.name}/{name}: is missing" for name in sorted(named - files))


def _of_tables(folder: Path, files: set[str]) -> Iterator[str]:
    """A folder without a run holds tables alone, and each says which command made it."""
    for name in sorted(files):
        if not name.endswith(".md"):
            yield f"{folder.name}/{name}: only tables (.md) may lie where no run is"
        elif "Made by `" not in (folder / name).read_text(encoding="utf-8"):
            yield f"{folder.name}/{name}: does not say which command made it"


def test_every_published_file_is_named_and_no_real_person_is_in_one() -> None:
    assert list(faults(RESULTS)) == []


def test_planted_files_are_found(tmp_path: Path) -> None:
    """The check above can fail: on a stray record, stray scores, a person's scores, a file without a command."""
    copy = tmp_path / "results"
    shutil.copytree(SYNTHETIC[0], copy / "run")
    assert list(faults(copy)) == []
    record = next((copy / "run" / "records").iterdir())
    shutil.copy(record, record.with_name("0" * 20 + ".json"))
    (copy / "run" / "people.csv").write_text("uid,score\n1,0.5\n")
    (copy / "tables").mkdir()
    (copy / "tables" / "people.json").write_text("{}")
    (copy / "tables" / "table.md").write_text("| a |\n")
    (copy / "scores.parquet").write_bytes(b"")
    shutil.copytree(RESULTS / "studies" / "data_mix", copy / "studies" / "data_mix")
    (copy / "studies" / "data_mix" / "record.json").write_text("{}")
    next((copy / "studies" / "data_mix" / "figures").iterdir()).unlink()
    found = "\n".join(faults(copy))
    assert "scores.parquet: belongs to no run" in found
    assert "data_mix/record.json: the study shows no such file" in found
    assert re.search(r"data_mix/figures/\S+: is missing", found)
    assert f"records/{'0' * 20}.json: the manifest names no such file" in found
    assert "run/people.csv: the manifest names no such file" in found
    assert "tables/people.json: only tables" in found
    assert "tables/table.md: does not say which command" in found


def test_scores_of_a_real_person_are_found(tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(SYNTHETIC[0], copy / "run")
    for path in (copy / "run" / "records").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace('"synthetic": true', '"synthetic": false'))
    found = "\n".join(faults(copy))
    assert "names files of real people" in found
    assert re.search(r"holds a slice of \d+ real people", found)


@pytest.mark.parametrize("run", SYNTHETIC, ids=lambda run: run.name)
def test_a_published_leaderboard_is_made_again_from_its_records(run: Path, tmp_path: Path) -> None:
    make_report(run, Console(quiet=True), tmp_path)
    for name in sorted(LEADERBOARDS):
        assert (tmp_path / name).read_text(encoding="utf-8") == (run / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("run", [run for run in RUNS if run not in SYNTHETIC], ids=lambda run: run.name)
def test_figures_of_real_people_stand_in_records(run: Path) -> None:
    """Their leaderboards cannot be made again without single users' scores; each city's figures are in a record."""
    with (run / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["test_city"] != "all"]
    held = [(record.case.model, record.case.test_city, record.scores) for record in read_run(run).records]
    assert rows
    for row in rows:
        mine = [
            scores for model, city, scores in held if city == row["test_city"] and model in row["model"].split(" = ")
        ]
        for metric in mine[0]:
            shown = [float(row[f"{metric}|{part}"]) for part in ("mean", "low", "high")]
            assert any(
                shown == pytest.approx([its[metric].mean, its[metric].low, its[metric].high], rel=1e-8) for its in mine
            ), f"{row['model']} in {row['test_city']}: {metric} {shown}"


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_published_records_keep_their_identity(run: Path) -> None:
    records = read_run(run).records
    assert records
    for record in records:
        assert identity_of(record) == record.identity
