"""A fit that ships with a model is taken up where the identity is the same, and said; else it is fitted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_run import Go

from bench.adapters import registry
from bench.records.store import Store, read_json, write_json

MODEL = {"use": "candidate_boosting", "settings": {"trees": 5, "rows": 2000}}


def test_a_shipped_fit_is_taken_up_and_another_is_made(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, first, said = go(MODEL)
    assert not [line for line in said.lines if "shipped" in line]
    store, shipped = Store(made.folder.parent / "store"), tmp_path / "shipped"
    fit_id = first[0].identity.fit
    shutil.copytree(store.fit(fit_id), shipped / fit_id)
    write_json(shipped / fit_id / "fit.json", {**read_json(shipped / fit_id / "fit.json"), "fit_seconds": None})
    shutil.rmtree(made.folder.parent)
    monkeypatch.setattr(registry.get("candidate_boosting"), "shipped", shipped)
    _made, again, said = go(MODEL)
    assert [line for line in said.lines if line.startswith("shipped fit: candidate_boosting")]
    assert [record.identity for record in again] == [record.identity for record in first]
    assert [record.scores for record in again] == [record.scores for record in first]
    assert again[0].cost is not None
    assert again[0].cost.fit_seconds is None
    assert not store.take_up(shipped, fit_id), "it is here now"
    assert not store.take_up(shipped, "another")
    _made, other, said = go(MODEL, overrides=("seeds=[1]",))
    assert not [line for line in said.lines if "shipped" in line]
    assert other[0].cost is not None
    assert other[0].cost.fit_seconds is not None
    assert not list(store.fit(fit_id).parent.glob(".*")), "nothing half-copied is left"
