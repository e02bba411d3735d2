"""LoRAs ship by the identity of their fit; a run takes them up, says so, and answers with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from digit_base import digit_base
from safetensors.torch import load_file
from weights_folders import change, spoilt, without

import bench
from bench.adapters.adapter import Context
from bench.errors import UserError
from bench.leaderboard import build
from bench.records.store import read_json
from bench.report.origins import learned_from
from models.llama_mob import NOTES, LlamaMob, LlamaMobSettings
from models.llama_mob.base import base
from models.llama_mob.tools import ship
from models.llama_mob.tuning import lora
from models.llama_mob.tuning.fit import put

PROTOCOL = """\
schema: 1
name: small
about: One city of few people.
data: {{cities: [B, C], options: {{users: 60}}}}
window: {{history: [58, 59], horizon: [60, 60]}}
splits: [{{train: {{cities: [B]}}, test: [C]}}]
users: {{train: 3, validate: 2, test: 2}}
models:
  - {{use: llama_mob, name: small LoRA, settings: {{base: {base}, preset: short, rank: 2, learning_rate: 0.01}}}}
floor: false
"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A protocol, and the folder of its shipped fit."""
    folder = tmp_path_factory.mktemp("ship")
    path, to = folder / "small.yaml", folder / "shipped"
    path.write_text(PROTOCOL.format(base=digit_base(folder / "base")))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LlamaMob, "shipped", to)
        where = ["--out", str(folder / "runs"), "--to", str(to), "--hardware", "1 core"]
        ship.main([str(path), "--scale", "default", "--model", "small LoRA", *where])
    return path, to


def fit_of(to: Path) -> Path:
    (found,) = (path for path in to.iterdir() if path.is_dir())
    return found


@pytest.mark.slow
def test_what_ships_is_half_as_large_and_has_a_card(shipped: tuple[Path, Path]) -> None:
    fit = fit_of(shipped[1])
    kept = shipped[1].parent / "runs" / "store" / "fits" / fit.name
    assert {path.name for path in fit.iterdir()} == {path.name for path in kept.iterdir()} == ship.FILES
    short, long = (load_file(path / lora.WEIGHTS) for path in (fit, kept))
    assert all(matrix.dtype == torch.float16 for matrix in short.values())
    assert all(torch.allclose(short[name].float(), long[name], rtol=1e-3, atol=1e-6) for name in long)
    facts = json.loads((fit / NOTES).read_text())
    assert facts["shipped"].startswith("float16, fitted in ")
    assert read_json(fit / "fit.json")["fit_seconds"] is None
    card = (shipped[1] / "README.md").read_text()
    for said in (fit.name, "B:3", "1 core", "Apache-2.0", str(facts["start_loss"]), str(facts["validation_loss"])):
        assert said in card


@pytest.mark.slow
def test_a_run_takes_it_up_where_the_identity_is_the_same(
    shipped: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, to = shipped
    monkeypatch.setattr(LlamaMob, "shipped", to)
    run = bench.run(bench.load_protocol(path), tmp_path)
    (record,) = run.records
    assert record.status == "done", record.reason
    assert record.identity.fit == fit_of(to).name
    assert record.facts["shipped"]
    assert record.cost is not None
    assert record.cost.fit_seconds is None
    (row,) = build(run.records, run.folder).boards[0].rows
    assert learned_from(row.lineage).endswith("shipped fit)") or record.kept_start
    other = bench.run(bench.load_protocol(path, overrides=["seeds=[1]"]), tmp_path / "other")
    assert [record.facts.get("shipped") for record in other.records] == [None]


def held(folder: Path, **given: Any) -> tuple[LlamaMob, Path]:
    """Return a model and the folder of a LoRA for it, which nothing trained."""
    model = LlamaMob(LlamaMobSettings(base=str(digit_base(folder / "base")), rank=2, input_noise=0, **given))
    loaded = lora.attach(_base(model), model.settings, 0)
    lora.save(lora.matrices(loaded), model.settings, folder / "fit")
    (folder / "fit" / NOTES).write_text("{}")
    return model, folder / "fit"


def put_to_use(model: LlamaMob, fit: Path) -> None:
    """Load a fit and put it into the base, as predict does."""
    model.load(fit)
    put(_base(model), model._learned, model.settings)


def _base(model: LlamaMob) -> Any:
    return base.load(model.settings, Context()).model


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda fit: (fit / lora.WEIGHTS).write_bytes((fit / lora.WEIGHTS).read_bytes()[:-9]), "cannot be read"),
        (lambda fit: (fit / lora.WEIGHTS).unlink(), "cannot be read"),
        (lambda fit: (fit / NOTES).write_text("{"), "cannot be read"),
        (lambda fit: change(fit, spoilt("lora_B"), lora.WEIGHTS), "not finite"),
        (lambda fit: change(fit, without("q_proj"), lora.WEIGHTS), "lacks .*q_proj"),
        (
            lambda fit: change(fit, lambda found: {**found, "more": torch.zeros(1)}, lora.WEIGHTS),
            "more, which the base has no place for",
        ),
        (
            lambda fit: change(fit, lambda found: {name: part[:1] for name, part in found.items()}, lora.WEIGHTS),
            r"is of \(1, \d+\), where the base asks for \(\d+, \d+\)",
        ),
    ],
    ids=["cut", "gone", "notes", "not finite", "lacking", "more", "shapes"],
)
def test_a_fit_that_is_not_whole_is_refused(spoil: Any, said: str, tmp_path: Path) -> None:
    model, fit = held(tmp_path)
    put_to_use(model, fit)
    spoil(fit)
    with pytest.raises(UserError, match=f"{said}.*delete the fit's folder"):
        put_to_use(model, fit)


@pytest.mark.slow
def test_what_must_not_ship_is_refused(shipped: tuple[Path, Path], tmp_path: Path) -> None:
    path, _to = shipped
    records = bench.run(bench.load_protocol(path, overrides=["users.test=1"]), path.parent / "runs").records
    (record,) = records
    ship._check(record)
    assert record.data is not None
    real = record.model_copy(update={"data": record.data.model_copy(update={"synthetic": False})})
    with pytest.raises(UserError, match=r"small LoRA \(B\): learned from real people"):
        ship._check(real)
    with pytest.raises(UserError, match="failed: no room"):
        ship._check(record.model_copy(update={"status": "failed", "reason": "no room"}))
    fit = tmp_path / "fit"
    fit.mkdir()
    (fit / "shots.npz").touch()
    with pytest.raises(UserError, match="only plain LoRAs ship"):
        ship._copy(fit, tmp_path / "to", "1 core")
