"""Positions: a base's own are kept, a further factor is joined only where it means what the base means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import weights_folders as made

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.answering import check_context
from models.llama_mob.base import base
from models.llama_mob.base.rope import rope
from models.llama_mob.settings import LlamaMobSettings

LINEAR = {"type": "linear", "factor": 16.0}


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.base(tmp_path_factory.mktemp("bases") / "llama3")
    return made.edit(folder, drop=("rope_parameters",), rope_theta=5e5, rope_scaling=made.LLAMA3)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.base(tmp_path_factory.mktemp("bases") / "linear", max_position_embeddings=256)
    return made.edit(folder, drop=("rope_parameters",), rope_theta=1e4, rope_scaling=LINEAR)


def load(folder: Path, **settings: Any) -> base.Loaded:
    return base.load(LlamaMobSettings(base=str(folder), **{"tuning": "none", **settings}), Context())


@pytest.mark.parametrize("given", [{"rope_scaling": 6.1}, {"preset": "paper", "quantize": None}])
def test_a_base_that_stretches_its_own_positions_keeps_them(llama3: Path, given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"rope llama3, factor 8\) and reads 32,768 tokens.*set rope_scaling to null"):
        load(llama3, **given)
    loaded = load(llama3, **given | {"rope_scaling": None})
    assert loaded.facts["rope"] == "llama3, factor 8"
    assert loaded.facts["context"] == 32768
    assert loaded.model.config.rope_parameters["rope_type"] == "llama3"


def test_linear_factors_multiply_and_the_record_says_what_was_used(linear: Path) -> None:
    assert load(linear).facts["rope"] == "linear, factor 16"
    assert load(linear).facts["context"] == 4096
    stretched = load(linear, rope_scaling=2.0)
    assert stretched.facts["rope"] == "linear, factor 32"
    assert stretched.facts["context"] == 8192
    ids, places = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[0, 2, 4, 6]])
    with torch.inference_mode():
        own, wide = load(linear).model(ids).logits, stretched.model(ids, position_ids=places).logits
    assert torch.allclose(own, wide, atol=1e-5)


@pytest.mark.parametrize(
    ("said", "factor", "context"),
    [
        ({}, 1.0, 256),
        ({"rope_scaling": LINEAR}, 16.0, 4096),  # the old key: max_position_embeddings is what it was before
        ({"rope_scaling": {"rope_type": "linear", "factor": 16.0}}, 16.0, 256),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, 4.0, 256),
        ({"rope_parameters": {"rope_type": "default"}, "rope_scaling": None}, 1.0, 256),
    ],
)
def test_the_context_is_what_the_config_means(said: dict[str, Any], factor: float, context: int) -> None:
    found = rope({"max_position_embeddings": 256, **said}, "config.json")
    assert (found.factor, found.context) == (factor, context)


def test_the_hint_for_a_long_prompt_does_no_harm(llama3: Path, linear: Path) -> None:
    def said(folder: Path) -> str:
        settings = LlamaMobSettings(base=str(folder), tuning="none")
        with pytest.raises(UserError) as caught:
            check_context(base.load(settings, Context()).model, settings, 40_000)
        return str(caught.value)

    assert "rope_scaling" not in said(llama3)
    assert "take fewer history_days" in said(llama3)
    assert "the base reads 4,096: set rope_scaling to 9.8 or more" in said(linear)
    assert load(linear, rope_scaling=9.8).facts["context"] >= 40_000
