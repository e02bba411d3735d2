"""A fit that ships with a model is taken up where the identity is the same, and said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_run import Go

from bench.adapters import registry
from bench.records.store import Store, read_json, write_json

MODEL = {"use": "candidate_boosting", "settings": {"trees": 5, "rows": 2000}}
ONE_CITY = ("splits=[{train: {cities: [B]}, test: [C]}]", "users.test=2")


def test_a_shipped_fit_is_taken_up_and_said(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, first, said = go(MODEL, overrides=ONE_CITY)
    assert not [line for line in said.lines if "shipped" in line]
    store, shipped = Store(made.folder.parent / "store"), tmp_path / "shipped"
    fit_id = first[0].identity.fit
    shutil.copytree(store.fit(fit_id), shipped / fit_id)
    write_json(shipped / fit_id / "fit.json", {**read_json(shipped / fit_id / "fit.json"), "fit_seconds": None})
    shutil.rmtree(made.folder.parent)
    monkeypatch.setattr(registry.get("candidate_boosting"), "shipped", shipped)
    _made, again, said = go(MODEL, overrides=ONE_CITY)
    assert [line for line in said.lines if line.startswith("shipped fit: candidate_boosting")]
    assert [record.identity for record in again] == [record.identity for record in first]
    assert [record.scores for record in again] == [record.scores for record in first]
    assert again[0].cost is not None
    assert again[0].cost.fit_seconds is None
    assert not store.take_up(shipped, fit_id), "it is here now"
    assert not store.take_up(shipped, "another")
    assert not list(store.fit(fit_id).parent.glob(".*")), "nothing half-copied is left"
