"""Sentences follow the records: other records, other sentences."""

from __future__ import annotations

from pathlib import Path

from mock_run import Model, make_run

from bench.leaderboard import build
from bench.report.findings import findings

SPLIT = [("A", ("B", "C"))]


def said(folder: Path, *models: Model) -> str:
    return "\n".join(findings(build(make_run(folder, models, SPLIT), folder)))


def test_versions_that_disagree_are_said_with_the_difference(tmp_path: Path) -> None:
    strong = Model("strong", 0.30, 45, noise=0.004)
    twin_in_old = Model("constant", 0.20, 70, dtw_humob24=45 * 0.55, noise=0.004)
    text = said(tmp_path, strong, twin_in_old)
    assert "under dtw@fixed, constant is behind strong (+" in text
    assert "under geobleu@humob24, constant" not in text


def test_versions_that_agree_are_not_mentioned(tmp_path: Path) -> None:
    text = said(tmp_path, Model("strong", 0.30, 30, noise=0.004), Model("weak", 0.20, 70, noise=0.004))
    assert "strong has the best geobleu@humob24" in text
    assert "it beats every other ranked model" in text
    assert "under " not in text


def test_a_leader_that_cannot_be_told_apart_says_so(tmp_path: Path) -> None:
    text = said(tmp_path, Model("one", 0.30, 40, noise=0.06), Model("two", 0.30, 40, noise=0.06))
    assert "level with it by a paired comparison: " in text


def test_learning_is_weighed_against_not_learning_and_pretraining_counts_as_learning(tmp_path: Path) -> None:
    plain, learner = Model("plain", 0.25, 50), Model("learner", 0.29, 42, learns_from="train users")
    assert "learner (A) beats plain (+0.0" in said(tmp_path / "a", plain, learner)
    replay = Model("replay", 0.20, 60, seen=("A",))
    assert "replay is behind plain (-0.0" in said(tmp_path / "b", plain, replay)
    assert "learned from others" not in said(tmp_path / "c", plain, Model("other", 0.2, 60))


def test_models_that_saw_test_histories_are_named(tmp_path: Path) -> None:
    text = said(tmp_path, Model("plain", 0.25, 50), Model("reader", 0.29, 42, learns_from="test histories"))
    assert "reader (A) learned from the test users' histories too; the others did not." in text


def test_unranked_models_take_no_part(tmp_path: Path) -> None:
    best = Model("best", 0.5, 10, facts={"undertrained": "soon"})
    text = said(tmp_path, Model("one", 0.30, 40), Model("two", 0.25, 45), best)
    assert "one has the best" in text
    assert "best is" not in text
