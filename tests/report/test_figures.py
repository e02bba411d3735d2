"""Figures and tables as files: every ranked row is in them, names cover none another, nothing breaks out."""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mock_run import TYPICAL, Model, make_run

from bench.leaderboard import build
from bench.records.manifest import read_run
from bench.report.charts.labels import Point, place
from bench.report.charts.style import marks
from bench.report.tables import make_table

pytest.importorskip("altair", reason="Altair is not installed: pip install 'mobility-bench[figures]'")
pytest.importorskip("vl_convert", reason="vl-convert is not installed: pip install 'mobility-bench[figures]'")

from bench.report import figures


def drawn(folder: Path, models: tuple[Model, ...]) -> str | None:
    make_run(folder, models, [("B", ["C"])])
    read = read_run(folder)
    path = figures.accuracy(read, build(read.records, folder), folder)
    return path.read_text(encoding="utf-8") if path else None


def test_every_ranked_row_stands_in_it_and_it_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path / name, TYPICAL) for name in ("one", "two"))
    assert first is not None
    assert first == second
    board = build(read_run(tmp_path / "one").records, tmp_path / "one").boards[0]
    ranked = [row.model for row in board.rows if not row.unranked]
    assert len(ranked) > 2
    assert all(f">{name}</text>" in first for name in ranked)
    assert "prefers-color-scheme:dark" in first


def test_a_name_cannot_break_out_of_the_file(tmp_path: Path) -> None:
    text = drawn(tmp_path, (Model("a--><script>x</script>", 0.3, 40), Model("other", 0.2, 50)))
    assert text is not None
    assert "<script>" not in text


def test_one_row_is_no_figure(tmp_path: Path) -> None:
    assert drawn(tmp_path, (Model("alone", 0.3, 40),)) is None


def test_figures_and_tables_of_a_run_as_files(tmp_path: Path) -> None:
    make_run(tmp_path, TYPICAL[:6], [("B", ["C", "D"])])
    read = read_run(tmp_path)
    made = {path.name for path in figures.write(read, build(read.records, tmp_path), tmp_path / "figures")}
    for kind, begin in (("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        assert (tmp_path / "figures" / f"accuracy-seconds.{kind}").read_bytes().startswith(begin)
        assert {f"ranking.{kind}", f"differences.{kind}", f"by-city.{kind}"} <= made
    cost = tmp_path / "figures" / "cost-cost.csv"
    rows = list(csv.reader(cost.read_text(encoding="utf-8").splitlines()))
    assert {row[0] for row in rows[1:]} == {model.name for model in TYPICAL[:6]}
    assert r"\toprule" in cost.with_suffix(".tex").read_text(encoding="utf-8")


def test_latex_holds_no_command_of_a_name() -> None:
    table = make_table("t", [("model", False), ("x", True)], [["50% a_b & \\input{x} $1$ #", "0.1 [0.0–0.2]"]])
    text = figures.latex(table)
    assert r"50\% a\_b \&" in text
    assert "\\input" not in text
    assert "0.0--0.2" in text


POINTS = st.lists(st.tuples(st.floats(50, 600), st.floats(20, 380)), min_size=2, max_size=10)


@given(POINTS)
def test_names_of_points_cover_no_other_name(where: list[tuple[float, float]]) -> None:
    points = [Point(x, y, f"model_{i}") for i, (x, y) in enumerate(where)]
    boxes = [label.box(point.name) for point, label in zip(points, place(points, 760, 430), strict=True)]
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_model_has_one_mark_whoever_else_is_there() -> None:
    alone = marks(["kernel_vote"])["kernel_vote"]
    together = marks(name for name in ("kernel_vote", "lp_bert", "somebody's", "another", "slot_mode"))
    assert together["kernel_vote"] == alone
    assert len(set(together.values())) == 5
    assert all(re.fullmatch("#[0-9A-F]{6}", mark.colour) for mark in together.values())
