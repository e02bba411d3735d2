"""Data frames of a run written as Parquet, and the page of the docs that shows them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mock_run import TYPICAL, make_run
from rich.console import Console

from bench.cli.report import export_frames
from bench.data.trajectories import INVALID, OK, Answers, Queries
from bench.errors import UserError
from bench.records import read_run
from bench.records.store import Store, write_answers

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data-frames.md").read_text(encoding="utf-8")
MODELS = TYPICAL[:2]


def run_with_answers(folder: Path) -> Path:
    """A run of two models whose answers lie in the store, one of them invalid."""
    records = make_run(folder / "run", MODELS, [("A", ("C",))], users=4)
    queries = Queries.build(("C",), city=np.zeros(4), uid=np.array([1, 1, 2, 2]), d=np.full(4, 60), t=np.arange(4))
    given = Answers.of(np.arange(4), np.arange(4), np.array([OK, INVALID, OK, OK]))
    for record in records:
        write_answers(Store(folder / "store").answers(record.identity.answers), given, queries)
        files = {**record.files, "answers": f"answers/{record.identity.answers}.parquet"}
        path = folder / "run" / "records" / f"{record.identity.cost}.json"
        path.write_text(record.model_copy(update={"files": files}).model_dump_json())
    return folder / "run"


def test_answers_join_with_their_cases(tmp_path: Path) -> None:
    run = read_run(run_with_answers(tmp_path))
    assert run.answers.groupby("model").size().to_dict() == {"user_mode": 4, "user_mean": 4}
    assert run.answers.status.value_counts().to_dict() == {"ok": 6, "invalid": 2}
    assert set(run.answers.case) == set(run.cases.case)


def test_costs_stand_beside_all_that_they_depend_on(tmp_path: Path) -> None:
    make_run(tmp_path, (*MODELS, TYPICAL[13]), [("A", ("C",))], users=4)
    costs = read_run(tmp_path).costs
    assert {"fit_seconds", "latency_median_s", "batch_users", "precision", "cpu", "gpu", "commit"} <= set(costs)
    spent = costs.set_index("model")["alone forward_passes"]
    assert spent["llama_mob jump"] == 426.4
    assert np.isnan(spent["user_mode"])


def test_every_frame_with_rows_is_a_file(tmp_path: Path) -> None:
    folder, to = run_with_answers(tmp_path), tmp_path / "out"
    (to / "slices.parquet").parent.mkdir()
    (to / "slices.parquet").write_text("of an earlier export")
    console = Console(file=io.StringIO(), width=200)
    export_frames(folder, console, to)
    assert {path.name for path in to.iterdir()} == {
        "cases.parquet",
        "scores.parquet",
        "costs.parquet",
        "answers.parquet",
    }
    run = read_run(folder)
    for name in ("cases", "scores", "costs", "answers"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(to / f"{name}.parquet"), getattr(run, name), check_dtype=False, check_categorical=False
        )
    assert "real people" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_frames_of_real_people_come_with_a_warning(tmp_path: Path) -> None:
    make_run(tmp_path / "run", MODELS, [("A", ("C",))], users=4, synthetic=False)
    console = Console(file=io.StringIO(), width=200)
    export_frames(tmp_path / "run", console, tmp_path / "out")
    assert "real people: do not share them" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    make_run(tmp_path, MODELS, [("A", ("C",))], users=4)
    with pytest.raises(UserError, match="is a run's folder"):
        export_frames(tmp_path, Console(quiet=True), tmp_path)


def test_the_python_of_the_page_makes_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(ROOT / "results")
    names: dict[str, Any] = {}
    exec(code, names)
    assert (tmp_path / "by_city.png").read_bytes().startswith(b"\x89PNG")
    means = names["means"].set_index(["model", "city"])["geobleu@humob24"]
    assert means["kernel_vote", "C"] == pytest.approx(
        names["run"].scores.query("model == 'kernel_vote' and city == 'C'")["geobleu@humob24"].mean()
    )


def test_the_page_names_every_frame_and_its_columns(tmp_path: Path) -> None:
    run = read_run(run_with_answers(tmp_path))
    for name in re.findall(r"^\| `run\.(\w+)`", PAGE, re.MULTILINE):
        frame = getattr(run, name)
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `run.{name}`"))
        assert set(re.findall(r"`(\w+)`", row.split("|")[3])) - {"low", "high", "scores"} <= set(frame.columns) | {
            "days",
            "points",
        }
