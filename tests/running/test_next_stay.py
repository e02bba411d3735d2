"""Runs that ask for the next stay, rank cells and look at points of interest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_run import Go

from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.running.plan import identity_of
from bench.running.splits import next_stays

RANKS = ("metrics.main=mrr_at_10@v1", "metrics.also=[accuracy_at_1@v1, accuracy_at_10@v1, accuracy@v1]")
NEXT = (*RANKS, "users.ask=next_stay", "data.cities=[B, C]", "splits=[{train: {cities: [B]}, test: [C]}]")


def table(*rows: tuple[int, int, int, int]) -> Trajectories:
    """Rows uid, d, t, x; y is 1."""
    uid, d, t, x = np.array(rows).T
    return Trajectories.build(("B",), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=np.ones(len(uid)))


def test_the_next_stay_is_the_first_elsewhere() -> None:
    history = table((1, 0, 40, 5), (2, 0, 40, 5), (3, 0, 40, 5), (4, 0, 40, 7))
    horizon = table(
        *((1, 1, 1, 5), (1, 1, 2, 5), (1, 1, 3, 8), (1, 1, 4, 9), (1, 1, 6, 9), (1, 1, 7, 3), (1, 1, 8, 3)),
        *((2, 1, 1, 5), (2, 1, 2, 5), (2, 1, 3, 6)),  # never stays elsewhere
        *((3, 1, 47, 6), (3, 2, 1, 6)),  # a night apart
        *((4, 1, 1, 5), (4, 1, 2, 5)),
        *((5, 1, 1, 5), (5, 1, 2, 5)),  # without a history
    )
    found = next_stays(history, horizon)
    assert list(zip(found.uid.tolist(), found.t.tolist(), found.x.tolist(), strict=True)) == [
        (1, 4, 9),
        (4, 1, 5),
        (5, 1, 5),
    ]
    assert len(next_stays(history, horizon.take(slice(0, 0)))) == 0


def test_one_point_a_user_is_asked_and_models_rank_ten_cells(go: Go) -> None:
    run, records, _ = go("user_mode", "slot_mode", "kernel_vote", "candidate_boosting", "expected_day", overrides=NEXT)
    assert {record.status for record in records} == {"done"}
    for record in records:
        assert record.data is not None
        assert record.data.test_points == record.data.test_users <= 6
        assert any("only next stays" in note for note in record.data.notes)
        assert record.data.parts["ranks"] == "10"
        assert identity_of(record) == record.identity
        means = {name: score.mean for name, score in record.scores.items()}
        assert means["accuracy_at_1@v1"] <= means["mrr_at_10@v1"] <= means["accuracy_at_10@v1"]
        answers = pd.read_parquet(run.folder.parent / "store" / record.files["answers"])
        assert ("x_10" in answers) == (record.case.model != "slot_mode")  # it names one cell alone
        if record.case.model == "slot_mode":
            assert means["accuracy_at_1@v1"] == means["mrr_at_10@v1"] == means["accuracy@v1"]


def test_no_cell_is_ranked_where_no_metric_looks_at_it(go: Go) -> None:
    run, records, _ = go("kernel_vote", overrides=NEXT[3:])
    answers = pd.read_parquet(run.folder.parent / "store" / records[0].files["answers"])
    assert "x_1" not in answers
    assert records[0].data is not None
    assert "ranks" not in records[0].data.parts


def test_a_model_with_points_of_interest_has_fits_of_its_own(go: Go) -> None:
    settings = "{trees: 5, rows: 2000}"
    plain = f"{{use: candidate_boosting, name: plain, settings: {settings}}}"
    poi = plain.replace("plain", "poi").replace("{trees", "{poi: true, trees")
    models = f"models=[{plain}, {poi}]"
    _, records, _ = go("kernel_vote", overrides=(*NEXT[3:], models))
    by = {record.case.model: record for record in records}
    assert {record.status for record in records} == {"done"}
    assert by["plain"].identity.fit != by["poi"].identity.fit
    assert by["poi"].data is not None
    assert by["plain"].data is not None
    assert {"train_poi", "poi"} <= set(by["poi"].data.parts)
    assert not {"train_poi", "poi"} & set(by["plain"].data.parts)
    assert identity_of(by["poi"]) == by["poi"].identity


def test_a_model_that_wants_points_of_interest_is_skipped_where_a_city_has_none(
    go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Synthetic, "poi", lambda self, city: None)
    models = "models=[{use: candidate_boosting, settings: {poi: true}}]"
    _, records, said = go("kernel_vote", overrides=(*NEXT[3:], models))
    (record,) = records
    assert (record.status, record.reason) == ("skipped", "no table of points of interest for city B, C")
    assert any("no table of points of interest" in line for line in said.lines)
