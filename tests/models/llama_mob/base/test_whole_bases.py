"""What is loaded is what was checked: every tensor read, none left over, all finite; and what the record says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import weights_folders as made
from transformers import LlamaForCausalLM

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.base import base, checkpoint
from models.llama_mob.settings import LlamaMobSettings

ASKED = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.base(tmp_path_factory.mktemp("bases") / "Small")


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "Small"))


def load(folder: Path, **settings: Any) -> base.Loaded:
    return base.load(LlamaMobSettings(base=str(folder), **{"tuning": "none", **settings}), Context())


def scores(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(ASKED).logits
    return found


def as_transformers_loads(folder: Path) -> torch.Tensor:
    return scores(LlamaForCausalLM.from_pretrained(folder).eval())


def _one_layer_beside_shards(folder: Path) -> None:
    shutil.copytree(made.base(folder.with_name("sharded"), shard="100KB"), folder, dirs_exist_ok=True)
    shutil.copy(made.base(folder.with_name("one"), num_hidden_layers=1) / made.WEIGHTS, folder / made.WEIGHTS)


def _layers_behind_a_null(folder: Path) -> None:
    made.change(made.edit(folder, quantization_config=None), made.without("layers.1"))


def _in_two_shards(folder: Path) -> None:
    shutil.move(folder / made.WEIGHTS, folder / "a.safetensors")
    shutil.copy(folder / "a.safetensors", folder / "b.safetensors")
    made.edit(folder, checkpoint.INDEX, weight_map={"x": "a.safetensors", "y": "b.safetensors"})


def _index_that_points_outside(folder: Path) -> None:
    shutil.move(folder / made.WEIGHTS, folder.parent / "outside.safetensors")
    made.edit(folder, checkpoint.INDEX, weight_map={"x": "../outside.safetensors"})


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nan_head": (lambda f: made.change(f, made.spoilt("lm_head")), "lm_head.weight holds numbers that are not finite"),
    "nan_layer": (lambda f: made.change(f, made.spoilt("1.mlp.down")), r"layers\.1\.mlp\.down_proj.* not finite"),
    "infinite": (lambda f: made.change(f, made.spoilt("norm", float("-inf"))), "norm.weight .* not finite"),
    "single_beside_shards": (
        _one_layer_beside_shards,
        r"lacks 9 of 21 weights .*model\.safetensors comes before the shards",
    ),
    "quantization_null": (_layers_behind_a_null, "lacks 9 of 21 weights"),
    "merged_16_bit": (
        lambda f: made.edit(f, quantization_config=made.BITS),
        r"says 4bit, but the weights are F32: take the key quantization_config out",
    ),
    "quantised without a word": (
        lambda f: made.change(f, lambda t: t | {"model.layers.0.mlp.up_proj.weight": torch.zeros(9, 1).byte()}),
        r"up_proj.weight has the format U8, and config.json has no quantization_config",
    ),
    "quantised otherwise": (
        lambda f: made.edit(f, quantization_config={"quant_method": "gptq"}),
        "by gptq are not read",
    ),
    "untied_without_head": (
        lambda f: made.change(f, made.without("lm_head")),
        r"lacks 1 of 21 weights \(lm_head.weight\); if its head is its embeddings, set tie_word_embeddings to true",
    ),
    "layers left over": (lambda f: made.edit(f, num_hidden_layers=1), r"holds 9 tensors that config.json does not ask"),
    "a LoRA in its folder": (
        lambda f: made.edit(f, "adapter_config.json", peft_type="LORA"),
        "take it out, and name the",
    ),
    "a file of its own": (lambda f: made.edit(f, transformers_weights="x.safetensors"), "transformers_weights names"),
    "in two shards": (_in_two_shards, "stands in another shard too"),
    "outside": (_index_that_points_outside, "names of files beside it"),
    "dynamic": (lambda f: made.edit(f, rope_scaling={"type": "dynamic", "factor": 2.0}), "rope dynamic is not read"),
    "rope in words": (
        lambda f: made.edit(f, rope_scaling={"type": "linear", "factor": "x"}),
        "rope_scaling .*cannot be",
    ),
    "another tokenizer": (lambda f: made.base(f, vocab_size=2300), r"has 2361 tokens, the base 2300: it is of another"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_base_that_is_not_whole_is_refused_in_one_line(case: str, copy: Path) -> None:
    spoil, said = REFUSED[case]
    spoil(copy)
    with pytest.raises(UserError, match=said) as caught:
        load(copy)
    assert len(caught.value.messages) == 1
    assert "\n" not in str(caught.value)


def _stale_index(folder: Path) -> None:
    made.edit(
        folder, checkpoint.INDEX, metadata={}, weight_map={"model.norm.weight": "model-00001-of-00030.safetensors"}
    )


LOADED: dict[str, Callable[[Path], object]] = {
    "stale_index": _stale_index,
    "pad_token_more": lambda f: made.padded(made.base(f, vocab_size=2365)),
    "tied": lambda f: made.base(f, tie_word_embeddings=True),
    "tied with a head": lambda f: made.edit(f, tie_word_embeddings=True),
    "biases": lambda f: made.base(f, attention_bias=True, mlp_bias=True),
    "computed angles": lambda f: made.change(
        f, lambda t: t | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    ),
    "rope_llama3": lambda f: made.edit(f, drop=("rope_parameters",), rope_theta=5e5, rope_scaling=made.LLAMA3),
    "rope_linear": lambda f: made.edit(f, drop=("rope_parameters",), rope_scaling={"type": "linear", "factor": 16.0}),
    "chatml": lambda f: (f / "chat_template.jinja").write_text(made.CHATML),
}


@pytest.mark.parametrize("case", LOADED)
def test_what_transformers_loads_rightly_is_loaded_alike(case: str, copy: Path) -> None:
    LOADED[case](copy)
    assert torch.equal(scores(load(copy).model), as_transformers_loads(copy))


def _packed(tensors: made.Tensors) -> made.Tensors:
    """Store the linear maps as bitsandbytes does in 4 bits: two numbers a byte, with their scales beside them."""
    maps = {name: tensor for name, tensor in tensors.items() if "_proj" in name}
    tensors |= {name: torch.zeros(tensor.numel() // 2, 1).byte() for name, tensor in maps.items()}
    tensors |= {f"{name}.absmax": torch.ones(6) for name in maps}
    return tensors | {f"{name}.quant_state.bitsandbytes__nf4": torch.zeros(77).byte() for name in maps}


def test_weights_stored_quantised_are_compared_by_name(copy: Path) -> None:
    def check() -> None:
        checkpoint.check(copy, checkpoint.read_config(copy))

    made.edit(made.change(copy, _packed), quantization_config=made.BITS)
    check()
    made.change(copy, lambda tensors: tensors | {"model.layers.7.mlp.up_proj.weight.absmax": torch.ones(6)})
    with pytest.raises(UserError, match=r"holds 1 tensors that config.json does not ask for \(model.layers.7"):
        check()
    made.change(copy, made.without("layers.1.mlp.up_proj.weight"))
    with pytest.raises(UserError, match=r"lacks 1 of 21 weights \(model.layers.1.mlp.up_proj.weight\)"):
        check()


@pytest.mark.parametrize("broken", ["SCB", "absmax", "offset", "inner absmax"])
def test_quantised_weights_are_finite_where_their_scales_are(broken: str) -> None:
    scales = {name: torch.tensor([1.0]) for name in ("SCB", "absmax", "offset", "inner absmax")}
    weight: Any = torch.nn.Parameter(torch.zeros(8).byte(), requires_grad=False)
    inner = SimpleNamespace(absmax=scales["inner absmax"])
    weight.SCB = scales["SCB"]
    weight.quant_state = SimpleNamespace(absmax=scales["absmax"], offset=scales["offset"], state2=inner)
    base._check_finite([("w", weight)], "here")
    scales[broken].fill_(float("nan"))
    with pytest.raises(UserError, match="here: w holds numbers that are not finite"):
        base._check_finite([("w", weight)], "here")


def test_a_layer_that_was_not_read_is_refused_whatever_the_headers_said(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _layers_behind_a_null(copy)
    monkeypatch.setattr(checkpoint, "check", lambda _folder, _config: None)
    with pytest.raises(UserError, match="9 weights were not read"):
        load(copy)


def test_a_word_that_only_the_tokenizer_knows_is_refused_where_it_is_used(copy: Path) -> None:
    tokens = load(made.padded(made.base(copy, vocab_size=2365))).tokens
    assert tokens.encode("60 17 101 99\n")
    with pytest.raises(UserError, match=r"holds the token '\[PAD\]' \(id 2365\), the base has 2365 tokens"):
        tokens.encode("1 [PAD]")


def test_every_end_mark_of_the_generation_config_ends_an_answer(copy: Path) -> None:
    turn = load(copy).tokens.end
    assert load(copy).tokens.ends == (turn,)
    made.edit(copy, "generation_config.json", eos_token_id=[7, turn, 9])
    assert load(copy).tokens.ends == (turn, 7, 9)
    (copy / "generation_config.json").unlink()
    made.edit(copy, eos_token_id=11)
    assert load(copy).tokens.ends == (turn, 11)


def _in_the_tokenizers_config(folder: Path, template: Any) -> None:
    made.edit(folder, "tokenizer_config.json", chat_template=template)


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (lambda _folder: None, "Llama 3's; the base names none"),
        (LOADED["chatml"], "Llama 3's, not the base's own"),
        (lambda f: (f / "chat_template.jinja").write_text(made.LLAMA3_CHAT), "Llama 3's, the base's own"),
        (lambda f: _in_the_tokenizers_config(f, made.LLAMA3_CHAT), "Llama 3's, the base's own"),
        (
            lambda f: _in_the_tokenizers_config(f, [{"name": "default", "template": made.LLAMA3_CHAT}]),
            "Llama 3's, the base's own",
        ),
        (lambda f: _in_the_tokenizers_config(f, "{{ raise_exception('no') }}"), "Llama 3's, not the base's own"),
        (lambda f: _in_the_tokenizers_config(f, "{% if"), "Llama 3's, not the base's own"),
    ],
)
def test_the_record_says_whose_chat_layout_is_used(copy: Path, give: Callable[[Path], object], said: str) -> None:
    give(copy)
    facts = load(copy).facts
    assert facts["chat_layout"] == said
    json.dumps(facts)
