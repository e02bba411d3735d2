"""The page's content against its leaderboard, and the file: whole, quiet, escaped, without real people."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mock_run import TYPICAL, Model, make_run
from people_run import make
from rich.console import Console

from bench.cli.report import More, make_report
from bench.errors import UserError
from bench.leaderboard import build, difference
from bench.records.manifest import read_run

pytest.importorskip("altair", reason="Altair is not installed: pip install 'mobility-bench[figures]'")
pytest.importorskip("vl_convert", reason="vl-convert is not installed: pip install 'mobility-bench[figures]'")

from bench.report.page import content, views, write

RESULTS = Path(__file__).resolve().parents[3] / "results"
MODELS = (*TYPICAL[:6], TYPICAL[12], Model("<img src=x onerror=alert(1)>", 0.25, 50), TYPICAL[15], TYPICAL[16])


def unpacked(text: str, name: str = "packed") -> Any:
    found = re.search(rf'id="{name}">([^<]*)</script>', text)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1]))) if found[1] else None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("page"), MODELS)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    make_report(run, Console(quiet=True), None, More(html=True))
    return (run / write.PAGE).read_text(encoding="utf-8")


def test_its_figures_are_the_leaderboards(run: Path, page: str) -> None:
    found = build(read_run(run).records, run)
    (part,) = unpacked(page)
    board, shown = found.boards[0], part["boards"][0]
    assert [row["model"] for row in shown["rows"]] == [row.model for row in board.rows]
    for row, line in zip(board.rows, shown["rows"], strict=True):
        for name, figure in row.figures.items():
            assert line["figures"][name][:3] == [figure.mean, figure.low, figure.high]
    for metric, pairs in shown["pairs"].items():
        assert len(pairs) == board.pairs
        for i, j, value, low, high, standing in pairs:
            one, other = board.rows[i], board.rows[j]
            assert [value, low, high] == pytest.approx(difference(one, other, metric), rel=1e-3, abs=1e-4)
            assert standing == board.standing(one, other, metric)


def test_letters_are_shared_by_exactly_those_that_cannot_be_told_apart(run: Path) -> None:
    board = build(read_run(run).records, run).boards[0]
    letters = views.letters(board, "geobleu@humob24")
    assert len(letters) == len(board.ranked)
    for i, one in letters.items():
        for j, other in letters.items():
            level = not board.standing(board.rows[int(i)], board.rows[int(j)], "geobleu@humob24")
            assert bool(set(one) & set(other)) == level


def test_a_row_names_its_records_and_gaps_have_reasons(run: Path, page: str) -> None:
    (part,) = unpacked(page)
    for row in part["boards"][0]["rows"]:
        assert row["records"]
        assert all(part["records"][name]["commit"] == "abc123" for name in row["records"])
    failed = [record for record in part["records"].values() if record["status"] == "failed"]
    assert [record["reason"] for record in failed] == ["RuntimeError: boom | [red]x"]


def test_people_are_those_of_the_source(run: Path, page: str) -> None:
    people = unpacked(page, "people-0")
    user = people["cities"]["C"]["users"][0]
    answers = user["answers"][0]
    assert len(user["truth"]) == len(user["d"]) == len(answers)
    assert answers[:2] == [-1, -2], "an invalid and a missing answer"
    cells = np.array(user["cells"]).reshape(-1, 2)
    right = np.mean(cells[answers[2:]] == cells[user["truth"][2:]])
    assert 0.5 < right < 1


def test_other_data_than_the_runs_are_refused(tmp_path: Path) -> None:
    run = make(tmp_path, MODELS[:2])
    for path in (run / "records").iterdir():
        path.write_text(re.sub(r'"(C|D)": "[0-9a-f]{64}"', r'"\1": "0"', path.read_text(encoding="utf-8")))
    with pytest.raises(UserError, match="other rows than those of the run"):
        make_report(run, Console(quiet=True), None, More(html=True))


def test_the_file_asks_for_nothing_and_holds_no_markup_from_outside(page: str) -> None:
    assert "default-src 'none'" in page
    assert "<img src=x" not in page
    assert "onerror=alert" not in page
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:|//)", page)


def test_synthetic_answers_are_published_with_their_run(run: Path, tmp_path: Path) -> None:
    make_report(run, Console(quiet=True), tmp_path / "out", More(html=True))
    published = read_run(tmp_path / "out")
    assert all((tmp_path / "out" / name).is_file() for r in published.records for name in r.files.values())
    page = (write.index(tmp_path)).read_text(encoding="utf-8")
    assert unpacked(page, "people-0")["cities"]["C"]["users"][0]["answers"][0]


def test_no_real_person_is_published_or_shown_without_their_files(tmp_path: Path) -> None:
    make_run(tmp_path / "run", TYPICAL[:4], [("B", ["C"])], synthetic=False)
    read = read_run(tmp_path / "run")
    found = build(read.records, tmp_path / "run")
    assert content.run(read, found, people=True)["people"] is None
    published = write.of_run(read, found, tmp_path / "out", published=True, data="humob:nowhere")
    assert unpacked(published.read_text(encoding="utf-8"), "people-0") is None


def test_published_runs_and_studies_become_one_page(tmp_path: Path) -> None:
    for name in ("zero_shot_real", "studies/budget_mix"):
        shutil.copytree(RESULTS / name, tmp_path / name)
    parts = {part["id"]: part for part in unpacked(write.index(tmp_path).read_text(encoding="utf-8"))}
    assert sorted(part["kind"] for part in parts.values()) == ["run", "study"]
    real = parts["zero_shot_real"]
    assert real["boards"][0]["rows"]
    assert not real.get("people")


def test_the_published_page_holds_every_run_and_study() -> None:
    path = RESULTS / write.INDEX
    parts = unpacked(path.read_text(encoding="utf-8"))
    runs = {json.loads(path.read_text(encoding="utf-8"))["protocol"] for path in RESULTS.glob("*/run.json")}
    studies = len(list(RESULTS.glob("**/trials.csv")))
    assert {part["id"] for part in parts if part["kind"] == "run"} == runs
    assert sum(part["kind"] == "study" for part in parts) == studies
    assert path.stat().st_size < 8e6


def test_a_leaderboard_alone_imports_nothing_that_draws(run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rich.console import Console;"
        "from bench.cli.report import make_report;"
        f"make_report(Path({str(run)!r}), Console(quiet=True));"
        "print([name for name in ('altair', 'jinja2', 'pandas', 'vl_convert') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("adapter", "settings", "kind"),
    [
        ("llama_mob", {"base": "tiny"}, "tiny decoder"),
        ("llama_mob_parallel", {"base": "tiny-one-pass"}, "tiny decoder"),
        ("llama_mob", {"base": "smollm2"}, "language model"),
        ("llm_api", {}, "language model"),
        ("kernel_vote", {}, "per-user statistic"),
        ("mine.py:Mine", {}, "mine.py:Mine"),
    ],
)
def test_the_tiny_decoder_is_no_language_model(adapter: str, settings: dict[str, str], kind: str) -> None:
    assert views.family(adapter, settings) == kind
