"""The figure of accuracy against seconds: every ranked row is in it, and the same run gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from mock_run import TYPICAL, Model, make_run

from bench.leaderboard import build
from bench.records.manifest import read_run
from bench.report import figure

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'mobility-bench[figures]'")


def drawn(folder: Path, models: tuple[Model, ...]) -> str | None:
    make_run(folder, models, [("B", ["C"])])
    path = figure.draw(build(read_run(folder).records, folder), folder)
    return path.read_text(encoding="utf-8") if path else None


def test_every_ranked_row_stands_in_it_and_it_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path / name, TYPICAL) for name in ("one", "two"))
    assert first is not None
    assert first == second
    ranked = [
        row.model
        for row in build(read_run(tmp_path / "one").records, tmp_path / "one").boards[0].rows
        if not row.unranked
    ]
    assert len(ranked) > 2
    assert all(f">{name}</text>" in first for name in ranked)


def test_a_name_cannot_break_out_of_the_file(tmp_path: Path) -> None:
    hostile = Model("a--><script>x</script>", 0.3, 40)
    text = drawn(tmp_path, (hostile, Model("other", 0.2, 50)))
    assert text is not None
    assert "<script>" not in text


def test_one_row_is_no_figure(tmp_path: Path) -> None:
    assert drawn(tmp_path, (Model("alone", 0.3, 40),)) is None
