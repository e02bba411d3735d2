"""Nats a cell through a run: who gives them, what they are, and that a model that looks at its cell is found out."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from small_run import Go

from bench.adapters.small_world import GRID, people
from bench.cli.report import make_report
from bench.errors import UserError
from bench.leaderboard import build
from bench.running.losses import OWN, TRIED, TRUE, Asking, Refused, changed

METRICS = ("metrics={main: geobleu@humob24, also: [nats@v1, exposure@v1]}",)


def test_models_of_the_project_give_nats_and_those_of_answers_alone_do_not(go: Go) -> None:
    made, records, said = go("slot_mode", "kernel_vote", {"use": "expected_day", "settings": {"learn": "nothing"}},
                             overrides=METRICS)  # fmt: skip
    by_model = {record.case.model: record for record in records if record.case.test_city == "C"}
    assert {record.status for record in records} == {"done"}
    assert {name: sorted(record.scores) for name, record in by_model.items()} == {
        "slot_mode": ["geobleu@humob24"],
        "kernel_vote": ["geobleu@humob24", "nats@v1"],
        "expected_day": ["exposure@v1", "geobleu@humob24", "nats@v1"],
    }
    votes = by_model["kernel_vote"]
    assert 0 < votes.scores["nats@v1"].mean < np.log(200 * 200)
    assert (votes.numerics["nats"], by_model["expected_day"].numerics["nats"]) == ("each by itself", "in context")
    frame = pd.read_parquet(made.folder / votes.files["scores"])
    assert frame["nats@v1"].mean() == pytest.approx(votes.scores["nats@v1"].mean)
    assert not [line for line in said.lines if "no nats" in line]

    before = len(said.lines)
    _made, again, told = go("slot_mode", "kernel_vote", overrides=METRICS)
    assert not [line for line in told.lines if "probabilities" in line or "predict" in line], before
    assert len(again) == 4


def test_own_answers_are_shown_only_where_exposure_is_wanted(go: Go) -> None:
    model = {"use": "expected_day", "settings": {"learn": "nothing"}}
    nats = ("metrics={main: geobleu@humob24, also: [nats@v1]}",)
    made, records, _said = go(model, overrides=nats)
    kept = list((made.folder.parent / "store").rglob("*losses*/*.parquet"))
    assert kept
    assert all("after_own" not in pd.read_parquet(path).columns for path in kept)
    _made, both, said = go(model, overrides=METRICS)
    assert all("after_own" in pd.read_parquet(path).columns for path in kept)
    assert not [line for line in said.lines if "predict" in line]
    assert [one.scores["nats@v1"].mean for one in both] == [one.scores["nats@v1"].mean for one in records]
    assert all("exposure@v1" in one.scores for one in both)
    _made, _records, said = go(model, overrides=METRICS)
    assert not [line for line in said.lines if "probabilities" in line]


def test_a_leaderboard_may_be_ranked_by_nats(go: Go) -> None:
    made, records, _said = go(
        "slot_mode", "kernel_vote", {"use": "kernel_vote", "name": "wide", "settings": {"slot_width": 3.0}},
        overrides=("metrics={main: nats@v1, also: [geobleu@humob24]}",),
    )  # fmt: skip
    found = build(records, made.folder)
    for board in found.cities:
        assert {row.model for row in board.ranked} == {"kernel_vote", "wide"}
        assert [row.unranked for row in board.rows if row.model == "slot_mode"] == ["not scored with nats@v1"]
    make_report(made.folder, Console(file=io.StringIO()))
    assert "nats a cell" in (made.folder / "leaderboard.md").read_text()


def test_a_run_without_any_nats_says_so(go: Go) -> None:
    made, records, _said = go("slot_mode", overrides=("metrics={main: nats@v1}",))
    with pytest.raises(UserError, match="no model gives the main metric nats@v1"):
        build(records, made.folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("LooksAtIt", "refused: its probabilities of a cell depend on that cell or on later ones"),
        ("LooksAtItsY", "refused: its probabilities of a cell depend on that cell or on later ones"),
        ("SumsToTwo", "failed: the probabilities of a query's cells sum to 2"),
        ("SaysTooLittle", "failed: "),
        ("Breaks", "failed: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_counted_is_not(go: Go, outside: Callable[[str], str], name: str, said: str) -> None:
    _made, records, lines = go(outside(name), overrides=METRICS)
    for record in records:
        assert record.status == "done"
        assert list(record.scores) == ["geobleu@humob24"]
        assert record.numerics["nats"].startswith(said), record.numerics
    assert any("no nats a cell" in line for line in lines.lines)


def test_a_chain_that_looks_only_back_is_counted(go: Go, outside: Callable[[str], str]) -> None:
    _made, records, _said = go(outside("LooksBack"), overrides=METRICS)
    assert all({"nats@v1", "exposure@v1"} <= set(record.scores) for record in records)


@settings(max_examples=20)
@given(st.integers(1, 12))
def test_changed_cells_begin_somewhere_and_change_everything_after(users: int) -> None:
    table = people("C", range(users), 4, GRID)
    history, truth = table.days(0, 2), table.days(3, 3)
    other, tried, alike = changed(truth, history, GRID)
    differ = (other.x != truth.x, other.y != truth.y)
    assert not (differ[0] | differ[1])[~tried].any()
    assert len(alike) == tried.sum()
    assert len(np.unique(truth.uid[tried])) == min(8, len(truth.users))
    assert (differ[0] | differ[1])[tried].sum() >= len(np.unique(truth.uid[tried]))
    moved = (differ[0] | differ[1])[tried]
    for uid in np.unique(truth.uid[tried]):
        rows = truth.uid[tried] == uid
        first = int(moved[rows].argmax())
        assert moved[rows][first:].all()
        assert alike[rows, 0].tolist() == [i <= first for i in range(rows.sum())]
    assert ((other.x >= 1) & (other.x <= GRID.width) & (other.y >= 1) & (other.y <= GRID.height)).all()


@pytest.mark.parametrize(
    ("precision", "noise", "counted"),
    [("float32", 0.05, True), ("float32", 0.3, False), ("bfloat16", 0.08, True), ("bfloat16", 0.3, False)],
)
def test_rounding_is_no_sight_of_the_truth(precision: str, noise: float, counted: bool) -> None:
    """Both replies differ by noise at every cell that must agree."""
    case = SimpleNamespace(model=SimpleNamespace(precision=precision))
    table = people("C", range(2), 2, GRID)
    rows = np.zeros((len(table), 5))
    asking = Asking(case, table, table, np.ones(len(table), bool), np.ones((len(table), 2), bool))  # type: ignore[arg-type]
    asking.__dict__["asks"] = dict.fromkeys((TRIED, OWN, TRUE), (table.queries(), table))
    asking.told = {OWN: [rows], TRUE: [rows], TRIED: [rows + np.array([0, *[noise] * 4])]}
    if counted:
        assert set(asking.columns()) == {"nats", "after_true", "after_own"}
    else:
        with pytest.raises(Refused, match="depend on that cell"):
            asking.columns()
    asking.told[TRIED] = [rows.copy()]
    asking.told[TRIED][0][0, 1] = 0.8  # one cell alone
    if precision == "bfloat16":
        assert asking.columns()["nats"].shape == (len(table),)
    else:
        with pytest.raises(Refused):
            asking.columns()
