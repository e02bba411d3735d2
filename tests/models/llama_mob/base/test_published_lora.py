"""LoRA weights: used as a whole, or refused in one line that names the tensor."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import weights_folders as made
from peft import PeftModel
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.base import base
from models.llama_mob.base.published_lora import plain_name
from models.llama_mob.settings import LlamaMobSettings

ASKED = torch.tensor([[5, 6, 7, 8]])
Q, DOWN = "base_model.model.model.layers.0.self_attn.q_proj", "base_model.model.model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.base(tmp_path_factory.mktemp("bases") / "Small")


@pytest.fixture(scope="module")
def kept(small: Path) -> Path:
    return made.lora(small, small.with_name("lora"))


@pytest.fixture
def lora(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "lora"))


def load(folder: Path, lora: Path | None = None, **settings: Any) -> base.Loaded:
    given = {"base": str(folder), "tuning": "none", **settings} | ({"lora": lora} if lora else {})
    return base.load(LlamaMobSettings(**given), Context())


def scores(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(ASKED).logits
    return found


def _tensors(how: Callable[[made.Tensors], made.Tensors]) -> Callable[[Path], object]:
    return lambda folder: made.change(folder, how, made.LORA_WEIGHTS)


def _config(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: made.edit(folder, "adapter_config.json", **changes)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "lora_nan": (_tensors(made.spoilt("layers.0")), r"layers\.0\..* holds numbers that are not finite"),
    "lora_half": (_tensors(made.without("layers.1")), r"lacks 4 of the 8 tensors .*layers\.1\.mlp\.down_proj\.lora_A"),
    "lora_only_A": (_tensors(made.without("lora_B")), r"lacks 4 of the 8 tensors .*lora_B"),
    "lora_config_differs": (
        _config(target_modules=["q_proj"]),
        r"holds 4 tensors that adapter_config.json does not name .*down_proj",
    ),
    "lora_empty_tensors": (
        _tensors(lambda t: {name: torch.zeros(0) for name in t}),
        r"lora_A.weight is 0, where the base \(16 x 24\) and adapter_config.json ask for 4 x 24",
    ),
    "a number alone": (
        _tensors(lambda t: t | {f"{Q}.lora_A.weight": torch.tensor(1.0)}),
        "lora_A.weight is one number",
    ),
    "another rank": (_config(r=8), r"is 4 x 24, where .* ask for 8 x 24"),
    "bias": (
        _tensors(lambda t: t | {f"{DOWN}.lora_B.bias": torch.zeros(16)}),
        r"down_proj\.lora_B\.bias \(16\) is no LoRA matrix",
    ),
    "magnitudes": (
        _tensors(lambda t: t | {f"{Q}.lora_magnitude_vector": torch.zeros(16)}),
        r"lora_magnitude_vector \(16\) is no LoRA matrix",
    ),
    "unnamed whole weight": (
        _tensors(lambda t: t | {"base_model.model.lm_head.weight": torch.zeros(2368, 16)}),
        r"holds 1 tensors that adapter_config.json does not name \(base_model.model.lm_head.weight\)",
    ),
    "no layer named": (_config(target_modules=["c_attn"]), r"target_modules \['c_attn'\] names no layer"),
    "another base": (_config(base_model_name_or_path="acme/Large"), "it was tuned on acme/Large"),
    "another kind": (_config(peft_type="PROMPT_TUNING"), "only LORA is read"),
    "no config": (lambda f: (f / "adapter_config.json").unlink(), "adapter_config.json: not there"),
    "pickled": (
        lambda f: (f / made.LORA_WEIGHTS).rename(f / "adapter_model.bin"),
        "pickled weights are not read",
    ),
    "another width": (
        _tensors(lambda t: t | {f"{Q}.lora_A.weight": torch.zeros(4, 64)}),
        r"q_proj.lora_A.weight is 4 x 64, where the base \(16 x 16\) .* 4 x 16: it is of another base",
    ),
    "nothing": (lambda f: save_file({}, f / made.LORA_WEIGHTS), "lacks 8 of the 8 tensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_lora_that_is_not_whole_is_refused_in_one_line(case: str, small: Path, lora: Path) -> None:
    spoil, said = REFUSED[case]
    spoil(lora)
    with pytest.raises(UserError, match=said) as caught:
        load(small, lora)
    assert len(caught.value.messages) == 1
    assert "\n" not in str(caught.value)


def test_a_lora_on_a_head_that_is_tied_is_refused_with_both_sizes(tmp_path: Path) -> None:
    tied = made.base(tmp_path / "tied", tie_word_embeddings=True)
    lora = made.lora(tied, tmp_path / "lora", named="acme/tied", target_modules=["q_proj", "lm_head"])
    with pytest.raises(UserError, match=r"lm_head\..* \(.*\) changes lm_head, which this base ties .*\(2368 x 16\)"):
        load(tied, lora)


def test_a_lora_with_a_larger_vocabulary_is_refused_with_both_sizes(small: Path, tmp_path: Path) -> None:
    larger = made.base(tmp_path / "larger", vocab_size=2371)
    lora = made.lora(larger, tmp_path / "lora", modules_to_save=["embed_tokens", "lm_head"])
    with pytest.raises(UserError, match=r"lm_head\.weight is 2371 x 16, where the base \(2368 x 16\)"):
        load(small, lora)


WHOLE: dict[str, dict[str, Any]] = {
    "plain": {},
    "all linear maps": {"target_modules": "all-linear"},
    "by a pattern": {"target_modules": r".*\.self_attn\.(q|v)_proj"},
    "some layers": {"layers_to_transform": [1]},
    "all but some": {"exclude_modules": ["layers.0.mlp.down_proj"]},
    "ranks of their own": {"rank_pattern": {"down_proj": 2}},
    "the head": {"target_modules": ["q_proj", "lm_head"]},
    "whole weights": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "another scale": {"use_rslora": True},
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_lora_is_used_as_peft_uses_it(case: str, small: Path, tmp_path: Path) -> None:
    lora = made.lora(small, tmp_path / "lora", **WHOLE[case])
    reference = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(small), str(lora)).eval()
    found = scores(load(small, lora).model)
    assert torch.allclose(found, scores(reference), atol=1e-4)
    assert not torch.allclose(found, scores(load(small).model), atol=1e-3)


def test_names_are_compared_without_owner_case_folders_and_marks_of_copies() -> None:
    names = ("unsloth/llama-3-8b-Instruct-bnb-4bit", "/weights/Llama-3-8B-Instruct", "LLAMA-3-8b-instruct/")
    names += (f"C:\\hub\\models--acme--Llama-3-8B-Instruct\\snapshots\\{made.COMMIT}",)
    assert {plain_name(name) for name in names} == {"llama-3-8b-instruct"}
    assert plain_name("meta-llama/Meta-Llama-3-8B-Instruct") == "llama-3-8b-instruct"
    assert plain_name("meta-llama/Meta-Llama-3-8B") != "llama-3-8b-instruct"
