"""Pretraining of LP-BERT: it resumes, leaves its average, and its export writes what ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from baselines.lp_bert import pretrain
from baselines.lp_bert.export import export
from baselines.lp_bert.pretrain import average, beginning, train
from bench.errors import UserError
from bench.training import curves, heldout


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "CITY_USERS", 5)
    monkeypatch.setattr(pretrain, "HELD_OUT_USERS", 3)
    monkeypatch.setattr("baselines.lp_bert.export.HELD_OUT_USERS", 3)
    monkeypatch.setattr(heldout, "WINDOWS", dict.fromkeys(heldout.WINDOWS, (7, 2)))
    monkeypatch.setattr(heldout, "STATISTICS", ("user_mode",))


def test_a_run_is_logged_resumed_and_exported(few: None, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    run = {"steps": 2, "stage": "attention", "tokens": 300, "every": 1, "threads": 1}
    report = train(tmp_path / "run", **run)
    rows = curves.read(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert rows[-1]["users"] == report.counts["users"] > 1
    assert train(tmp_path / "run", **run).losses == report.losses, "all was done"
    with pytest.raises(UserError, match="give another folder"):
        train(tmp_path / "run", **{**run, "steps": 3})
    export(tmp_path / "run", tmp_path / "out", "one core", 0.5, "")
    shipped, start = load_file(tmp_path / "out" / "lp_bert.safetensors"), beginning().state_dict()
    halfway = torch.lerp(start["day.weight"], average(tmp_path / "run")[0].day.weight, 0.5)
    torch.testing.assert_close(shipped["day.weight"], halfway)
    assert not torch.equal(shipped["day.weight"], start["day.weight"])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "2 steps" in card
    assert "| user_mode |" in card


def test_an_export_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no training"):
        export(tmp_path, tmp_path / "out", "none", 0.4, "")
    assert not list((tmp_path / "out").glob("*.safetensors"))
