"""Markdown, CSV and terminal of one mock run: deterministic, escaped, complete, legible at every width."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from mock_run import TYPICAL, Model, make_run, write_case
from rich.console import Console

from bench.cli.report import make_report
from bench.errors import UserError
from bench.leaderboard import build
from bench.records.manifest import read_run
from bench.report import published, terminal
from bench.report.layout import Report, lay_out

SPLITS = [("B", ("C", "D")), ("C", ("B", "D"))]
NASTY = Model("a|b [red]x[/red] <i>\n# `y`", 0.25, 50, fails={"D": "boom | [link](http://x) <b>\nsecond line"})
FIGURE = re.compile(r"\d\.\d{3}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, [*TYPICAL, NASTY], SPLITS)
    return folder


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with leaderboard.md, leaderboard.csv and terminal.txt (200 columns)."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "terminal.txt").write_text(report(run, folder, 200))
    return folder


@pytest.fixture(scope="module")
def laid(run: Path) -> Report:
    content = read_run(run)
    return lay_out(content, build(content.records, run), published.read())


def report(run: Path, to: Path, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    make_report(run, console, to)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_same_records_in_any_order_give_the_same_bytes(run: Path, made: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    for name in ("records", "scores"):
        (tmp_path / name).symlink_to(run / name)
    (tmp_path / "run.json").write_text(json.dumps({**manifest, "cases": manifest["cases"][::-1]}))
    text = report(tmp_path, tmp_path, 200)
    for file in ("leaderboard.md", "leaderboard.csv"):
        assert (tmp_path / file).read_bytes() == (made / file).read_bytes()
    assert text.partition("Written")[0] == (made / "terminal.txt").read_text().partition("Written")[0]


def test_markdown_tables_have_as_many_cells_as_heads_whatever_the_names(made: Path) -> None:
    text = (made / "leaderboard.md").read_text()
    tables = text.split("\n\n")
    grids = [part.splitlines() for part in tables if part.startswith("|")]
    assert len(grids) > 10
    for lines in grids:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert r"a\|b \[red\]x\[/red\] \<i>" in text
    assert "](http" not in text.replace(r"\](http", "")
    assert not re.search(r"(?<!\\)<(?!br>)", text)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_nothing_is_cut_off_in_a_terminal(laid: Report, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    terminal.show(laid, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    for name in ("weekday_slot_mode", "[bold]x", "[red]x[/red]"):
        assert name in text
    tables = [table for section in laid.boards for table in section.tables]
    figures = {figure for table in tables for row in table.rows for cell in row for figure in FIGURE.findall(cell)}
    assert figures <= set(FIGURE.findall(text))


def test_every_model_and_every_gap_is_in_every_form(made: Path) -> None:
    text = (made / "terminal.txt").read_text()
    markdown = (made / "leaderboard.md").read_text()
    table = list(csv.DictReader((made / "leaderboard.csv").open(newline="")))
    for model in TYPICAL:
        escaped = model.name.replace("|", r"\|").replace("[", r"\[").replace("]", r"\]")
        assert model.name in text
        assert escaped in markdown
    listed = {row["model"] for row in table}
    assert {m.name for m in TYPICAL} - listed == set()
    for reason in ("needs CUDA", "RuntimeError: boom"):
        assert reason in text
        assert reason in markdown


def test_csv_holds_the_figures_in_full_and_empty_fields_for_the_unknown(made: Path) -> None:
    table = list(csv.DictReader((made / "leaderboard.csv").open(newline="")))
    scratch = next(row for row in table if row["model"] == "lp_bert scratch" and row["test_city"] == "D")
    assert scratch["rank"] == ""
    assert scratch["unranked"].startswith("undertrained")
    slot = next(row for row in table if row["model"] == "slot_mode" and row["test_city"] == "all")
    assert (
        float(slot["geobleu@humob24|low"]) < float(slot["geobleu@humob24|mean"]) < float(slot["geobleu@humob24|high"])
    )
    assert {row["test_city"] for row in table} == {"all", "B", "C", "D"}


def test_hardware_and_kinds_stand_beside_the_figures(made: Path) -> None:
    markdown = (made / "leaderboard.md").read_text()
    cost = markdown.partition("## Cost")[2].partition("## ")[0]
    assert "Hardware A: Mock CPU @ 2.4 GHz, 2 cores, 24 GB" in cost
    assert "Mock GPU 80GB" in cost
    assert "B \\| C, test histories" in markdown or "test histories" in markdown
    assert "learned from the test users' histories too" in markdown
    assert "pretraining on C" in markdown


def test_what_language_models_spent_stands_beside_their_names(made: Path, laid: Report) -> None:
    work, text = next(section for section in laid.facts if section.title == "Work of language models").tables
    passes = {row[0]: row[work.heads.index("passes")] for row in work.rows}
    assert passes == {"llama_mob jump": "426", "llama_mob draft": "96"}
    assert {row[work.heads.index("accepted")] for row in work.rows} == {"75 %"}
    assert {row[text.heads.index("surplus")] for row in text.rows} == {"9"}
    table = list(csv.DictReader((made / "leaderboard.csv").open(newline="")))
    assert {row["work|forward_passes"] for row in table if row["model"] == "llama_mob draft"} == {"96"}
    assert {row["work|forward_passes"] for row in table if row["model"] == "slot_mode"} == {""}


def test_cases_without_a_record_are_counted(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    for name in ("records", "scores"):
        (tmp_path / name).symlink_to(run / name)
    (tmp_path / "run.json").write_text(json.dumps({**manifest, "cases": [*manifest["cases"], "feed", "beef"]}))
    assert f"Incomplete: 2 of {len(manifest['cases']) + 2} cases have no record yet" in report(
        tmp_path, tmp_path / "out", 200
    )


def test_bad_run_folders_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no run\.json here"):
        report(tmp_path, tmp_path / "out")
    make_run(tmp_path, TYPICAL[:2], SPLITS)
    for record in (tmp_path / "records").glob("*.json"):
        record.write_text("{")
    with pytest.raises(UserError) as caught:
        report(tmp_path, tmp_path / "out")
    (message,) = caught.value.messages
    assert f"and {len(list((tmp_path / 'records').glob('*.json'))) - 1} more: no record can be read (" in message
    assert not (tmp_path / "out").exists()


def test_all_cases_failed_still_makes_a_report(tmp_path: Path) -> None:
    for record in make_run(tmp_path, [Model("broken", 0.1, 1, fails={"C": "boom", "D": "boom"})], SPLITS[:1]):
        write_case(tmp_path, record.model_copy(update={"data": None}), None)
    text = report(tmp_path, tmp_path)
    assert "boom" in text
    assert "Data: none" in text
    assert "fewer than two models are ranked" in text
