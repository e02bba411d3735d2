"""Sentences follow the records: other records, other sentences; nothing is said that a city does not carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mock_run import Model, make_run

from bench.adapters.origin import Learning
from bench.leaderboard import Leaderboard, build
from bench.report.findings import disagreements, findings

SPLIT = [("A", ("B", "C"))]
START = Learning(start="pretrained", pretrained_on="synthetic people")


def made(folder: Path, *models: Model) -> Leaderboard:
    return build(make_run(folder, models, SPLIT), folder)


def said(folder: Path, *models: Model) -> str:
    return "\n".join(line for _board, lines in findings(made(folder, *models)) for line in lines)


def test_every_city_has_its_own_findings_beside_those_of_all(tmp_path: Path) -> None:
    boards = [board.cities for board, _ in findings(made(tmp_path, Model("one", 0.30, 40), Model("two", 0.2, 50)))]
    assert boards == [("B", "C"), ("B",), ("C",)]


def test_a_lead_over_several_cities_is_not_claimed_of_a_city_that_does_not_show_it(tmp_path: Path) -> None:
    """Pooled +.0108 [+.002, +.019], in each city alone an interval that holds zero: the shape of a real table."""
    found = made(tmp_path, Model("slot_mode", 0.30, 40, noise=0.05), Model("leader", 0.3145, 40, noise=0.05))
    pooled, *cities = findings(found)
    assert "leader has the best GEO-BLEU (HuMob 2024)" in pooled[1][0]
    assert "It is significantly better than the other model." in pooled[1][0]
    quiet = [board.cities[0] for board, lines in cities if "cannot be told apart" in lines[0]]
    assert quiet
    assert "In one city alone the interval of the difference includes zero for" in pooled[1][0]
    for city in quiet:
        assert f"slot_mode (in {city})" in pooled[1][0]


def test_a_difference_over_cities_comes_with_that_of_each_city(tmp_path: Path) -> None:
    text = said(tmp_path, Model("slot_mode", 0.25, 50), Model("learner", 0.29, 42, learns_from="train users"))
    assert "Significantly better than the best floor row, slot_mode: learner (A) +0.0" in text
    assert "(B +0.0" in text
    assert ", C +0.0" in text


def test_a_leak_stays_beside_the_name(tmp_path: Path) -> None:
    text = said(tmp_path, Model("slot_mode", 0.25, 50), Model("replay", 0.29, 42, seen=("B",)))
    assert "replay (leak: B is in its pretraining) has the best" in text
    assert "slot_mode: replay (leak: B is in its pretraining) +0.0" in text


def test_a_leak_stays_beside_the_name_of_whom_the_leader_cannot_be_told_from(tmp_path: Path) -> None:
    text = said(tmp_path, Model("one", 0.30, 40, noise=0.06), Model("replay", 0.295, 40, noise=0.06, seen=("B",)))
    assert "It cannot be told apart from replay (leak: B is in its pretraining)." in text


def test_versions_that_disagree_stand_in_one_table(tmp_path: Path) -> None:
    strong = Model("strong", 0.30, 45, noise=0.004)
    twin_in_old = Model("constant", 0.20, 70, dtw_humob24=45 * 0.55, noise=0.004)
    ((board, table),) = disagreements(made(tmp_path, strong, twin_in_old))
    (row,) = table.rows
    assert (board.cities, table.title[-12:]) == (("B", "C"), "about strong")
    assert (row[0], row[1], row[3]) == ("constant", "DTW (HuMob 2024)", "DTW (true)")
    assert row[4].startswith("+")
    assert ("▼" in row[2], "▼" in row[4]) == (False, True)
    assert "DTW" not in said(tmp_path / "again", strong, twin_in_old)


def test_versions_that_agree_make_no_table(tmp_path: Path) -> None:
    assert disagreements(made(tmp_path, Model("strong", 0.30, 30, noise=0.004), Model("weak", 0.2, 70))) == []


def test_a_leader_that_cannot_be_told_apart_says_so(tmp_path: Path) -> None:
    text = said(tmp_path, Model("one", 0.30, 40, noise=0.06), Model("two", 0.30, 40, noise=0.06))
    assert "It cannot be told apart from " in text


def test_learning_is_weighed_against_not_learning_and_pretraining_counts_as_learning(tmp_path: Path) -> None:
    plain, learner = Model("plain", 0.25, 50), Model("learner", 0.29, 42, learns_from="train users")
    assert "learner (A) minus plain +0.0" in said(tmp_path / "a", plain, learner)
    assert "replay minus plain -0.0" in said(tmp_path / "b", plain, Model("replay", 0.20, 60, seen=("A",)))
    assert "learned from other people" not in said(tmp_path / "c", plain, Model("other", 0.2, 60))


def test_a_fit_that_kept_its_start_is_never_said_to_have_learned(tmp_path: Path) -> None:
    plain = Model("plain", 0.25, 50)
    given_up = Model("network", 0.29, 42, learns_from="train users", learning=START, kept=("A",))
    text = said(tmp_path, plain, given_up)
    assert "learned from other people" not in text
    assert "network (A)" not in text
    assert "network: fine-tuning was rejected on validation in every fit, so the row is the start." in text
    kept = replace(given_up, kept=(), learning=START.after(epochs=2, kept_epoch=2, kept_step=10))
    assert "network (A) minus plain" in said(tmp_path / "kept", plain, kept)


def test_models_that_saw_test_histories_are_named(tmp_path: Path) -> None:
    text = said(tmp_path, Model("plain", 0.25, 50), Model("reader", 0.29, 42, learns_from="test histories"))
    assert "reader (A) learned from the test users' histories too; the others did not." in text


def test_unranked_models_take_no_part(tmp_path: Path) -> None:
    best = Model("best", 0.5, 10, facts={"undertrained": "soon"})
    text = said(tmp_path, Model("one", 0.30, 40), Model("two", 0.25, 45), best)
    assert "one has the best" in text
    assert "best is" not in text
