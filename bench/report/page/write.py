"""The page of one run or study, and that of all published ones, into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.leaderboard import Leaderboard, build
from bench.records.manifest import MANIFEST, RunContent, read_run
from bench.report.charts import files
from bench.report.page import aggregates, content, render, studies

PAGE, INDEX = "report.html", "index.html"


def of_run(read: RunContent, found: Leaderboard, folder: Path, *, published: bool, data: str | None) -> Path:
    """Write a run's page into a folder. published: others will read it, so no real person may be in it."""
    files.require("--html")
    people = found.facts.synthetic or not published
    part = content.run(read, found, people=people, data=data)
    render.write([part], part["title"], folder / PAGE)
    return folder / PAGE


def of_study(folder: Path) -> Path:
    """Write a study's page into its folder."""
    files.require("--html")
    part = studies.study(folder)
    render.write([part], part["title"], folder / PAGE)
    return folder / PAGE


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study's tables."""
    return (folder / studies.TRIALS).is_file()


def index(folder: Path) -> Path:
    """Write the page of all runs and studies below a folder. Raises UserError where there is none."""
    files.require("--index")
    runs = sorted({path.parent for pattern in (MANIFEST, f"*/{MANIFEST}") for path in folder.glob(pattern)})
    found = sorted({path.parent for path in folder.glob(f"**/{studies.TRIALS}")})
    if not runs and not found:
        raise UserError(f"{folder}: holds neither a run ({MANIFEST}) nor a study ({studies.TRIALS})")
    parts = [_published(run) for run in runs] + [studies.study(study) for study in found]
    render.write(parts, "Published results", folder / INDEX)
    return folder / INDEX


def _published(folder: Path) -> dict[str, Any]:
    """A run's part of the index. One without scores of single users shows its records alone."""
    read = read_run(folder)
    if all((folder / r.files.get("scores", " ")).is_file() for r in read.records if r.status == "done"):
        found = build(read.records, folder)
        return content.run(read, found, people=found.facts.synthetic)
    return aggregates.run(read)
