"""Bases: whole ones load, broken ones and those too large are said before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.base import base, checkpoint, preflight, shapes
from models.llama_mob.base.layouts import TURN_END
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tools.make_tokenizer import make

CONFIG: dict[str, Any] = {
    "vocab_size": 2600,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
ASKED = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with random weights, in shards."""
    folder = tmp_path_factory.mktemp("bases") / "small"
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**CONFIG)).save_pretrained(folder, max_shard_size="200KB")
    make().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "small"))


def load(folder: Path | str, **settings: Any) -> base.Loaded:
    return base.load(LlamaMobSettings(base=str(folder), **{"tuning": "none", **settings}), Context())


def scores(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(ASKED).logits
    return found


def test_a_folder_is_loaded_as_it_was_saved(made: Path) -> None:
    loaded = load(made)
    reference = LlamaForCausalLM.from_pretrained(made)
    assert torch.equal(scores(loaded.model), scores(reference))
    assert not loaded.model.training
    assert loaded.facts["parameters"] == sum(p.numel() for p in reference.parameters())
    assert loaded.facts["layer_bytes"] == 4 * loaded.facts["layer_parameters"] == 4 * 2 * (3 * 32 * 32 + 3 * 32 * 48)
    assert loaded.facts["init"] == "pretrained"
    assert "undertrained" not in loaded.facts
    assert loaded.tokens.decode(loaded.tokens.numbers[[7, 99]]) == "799"
    assert load(made, precision="bfloat16").model.dtype == torch.bfloat16


def _drop(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _edit(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _shard(folder: Path) -> Path:
    return sorted(folder.glob("*.safetensors"))[0]


def _cut(folder: Path) -> None:
    path = _shard(folder)
    path.write_bytes(path.read_bytes()[:-100])


def _lose_a_weight(folder: Path) -> None:
    weights = load_file(_shard(folder))
    weights.pop(next(iter(weights)))
    save_file(weights, _shard(folder))


def _pickle(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (lambda folder: _drop(folder, "config.json"), r"config.json: not there"),
    (lambda folder: (folder / "config.json").write_text("{") and None, "cannot be read as JSON"),  # type: ignore[list-item]
    (lambda folder: _edit(folder, "config.json", model_type="gpt2"), "model_type is 'gpt2'"),
    (lambda folder: _edit(folder, "config.json", hidden_size=None), "lacks hidden_size"),
    (lambda folder: _edit(folder, "config.json", intermediate_size=64), "config.json says 64 x 32"),
    (lambda folder: _edit(folder, "config.json", num_hidden_layers=3), "lacks 9 of 30 weights"),
    (lambda folder: _drop(folder, "tokenizer.json"), r"tokenizer.json: not there"),
    (lambda folder: (folder / "tokenizer.json").write_text("{}") and None, "as a tokenizer"),  # type: ignore[list-item]
    (lambda folder: _shard(folder).unlink(), "shards are missing"),
    (_cut, "its header says"),
    (lambda folder: _shard(folder).write_bytes(b"no weights") and None, "cannot be read as safetensors"),  # type: ignore[list-item]
    (_lose_a_weight, "lacks 1 of 21 weights"),
    (_pickle, "pickled"),
]


@pytest.mark.parametrize(("spoil", "said"), BROKEN, ids=[said for _spoil, said in BROKEN])
def test_a_broken_base_is_one_line(copy: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(copy)
    with pytest.raises(UserError, match=said) as caught:
        load(copy)
    assert len(caught.value.messages) == 1
    assert "\n" not in caught.value.messages[0]


def test_a_tokenizer_of_another_base_is_refused(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"more{i}": len(vocabulary) + i for i in range(CONFIG["vocab_size"])}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="the base 2600"):
        load(copy)


def test_what_does_not_fit_is_said_before_loading(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "free_bytes", lambda _device: 10_000_000_000)
    settings = LlamaMobSettings(weights="random", shape="llama-3-8b", tuning="none")
    with pytest.raises(UserError, match=r"take 32\.1 GB of memory; 10\.0 GB are free"):
        preflight.preflight(settings, "cpu")
    with pytest.raises(UserError, match=r"take 16\.1 GB of GPU memory; 10\.0 GB are free"):
        preflight.preflight(settings, "cuda")
    small = LlamaMobSettings(weights="random", shape="llama-3.2-1b", tuning="none")
    assert preflight.preflight(small, "cpu").bytes == 4 * 1_235_814_400
    for device in ("cpu", "cuda"):  # tuned in float32, in whatever format it was loaded
        with pytest.raises(UserError, match=r"take 19\.8 GB of .*moments of full tuning"):
            preflight.preflight(small.model_copy(update={"tuning": "full"}), device)


def test_a_lora_beside_a_published_one_needs_unquantised_weights(made: Path) -> None:
    settings = LlamaMobSettings(base=str(made), lora=made, tuning="lora", quantize="4bit")
    with pytest.raises(UserError, match="beside a published one"):
        preflight.preflight(settings, "cuda")


def test_shapes_count_what_transformers_builds() -> None:
    for name, millions in {"llama-3-8b": 8030, "llama-3.2-3b": 3213, "llama-3.2-1b": 1236}.items():
        config = shapes.known(name)
        with torch.device("meta"):
            model = LlamaForCausalLM(LlamaConfig.from_dict(config))
        built = {key: tuple(weight.shape) for key, weight in model.named_parameters()}
        assert built == shapes.tensors(config)
        assert round(shapes.parameters(config) / 1e6) == millions
    assert shapes.cache_numbers(shapes.known("llama-3-8b")) * 2 == 131_072
    with pytest.raises(UserError, match="did you mean 'llama-3-8b'"):
        shapes.known("llama3-8b")


def test_random_weights_have_the_shape_the_seed_and_a_mark(
    made: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = load(made, weights="random"), load(made, weights="random")
    assert torch.equal(scores(one.model), scores(other.model))
    assert not torch.equal(scores(one.model), scores(load(made).model))
    settings = LlamaMobSettings(base=str(made), weights="random", tuning="none")
    assert not torch.equal(scores(one.model), scores(base.load(settings, Context(seed=1)).model))
    assert one.facts["init"] == "random"
    assert one.facts["undertrained"] == "random weights, for latency only"
    assert "undertrained" not in load(made, weights="random", tuning="full").facts
    half = load(made, weights="random", precision="bfloat16").model
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert torch.get_default_dtype() == torch.float32
    monkeypatch.setitem(shapes.KNOWN, "small", {**CONFIG, "vocab_size": 5000})
    shaped = load("tiny", weights="random", shape="small")
    assert shaped.model.config.vocab_size == 5000
    for path in copy.glob("*.safetensors*"):
        path.unlink()
    assert load(copy, weights="random").model.config.hidden_size == 32


def test_the_stand_in_splits_records_as_llama_3_does() -> None:
    tokens = base.stand_in()
    assert tokens.spaced is None
    assert len(tokens.encode("60 18 135 77\n")) == 8
    assert len(tokens.encode("0 0 1 200\n" * 40)) == 320
    assert len(tokens.encode(TURN_END)) == 1


def test_positions_are_scaled(made: Path) -> None:
    plain, scaled = load(made).model, load(made, rope_scaling=4.0).model
    assert scaled.config.rope_parameters["rope_type"] == "linear"
    assert scaled.config.max_position_embeddings == 256
    place = torch.tensor([[0, 4, 8, 12]])
    with torch.inference_mode():
        assert torch.allclose(scaled(ASKED, position_ids=place).logits, scores(plain), atol=1e-5)
    assert load(made, weights="random", rope_scaling=4.0).model.config.rope_parameters["factor"] == 4.0


def test_quantised_weights_need_cuda(made: Path) -> None:
    with pytest.raises(UserError, match="4bit weights need a CUDA device"):
        load(made, quantize="4bit")
    with pytest.raises(UserError, match="random weights are not quantised"):
        load(made, quantize="4bit", weights="random")
    with pytest.raises(UserError, match="cannot be tuned in full"):
        load(made, quantize="8bit", tuning="full")


def test_quantised_bytes_are_counted_by_part() -> None:
    config = shapes.known("llama-3-8b")
    assert 5.5e9 < preflight._bytes(config, "4bit", 2) < 6.5e9
    assert 8.5e9 < preflight._bytes(config, "8bit", 2) < 9.5e9
    assert checkpoint.quantised({"quantization_config": {"load_in_4bit": True}}, Path("config.json")) == "4bit"


def test_bases_that_differ_anywhere_have_other_names(tmp_path: Path) -> None:
    named = []
    for number in (0, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        weights = torch.zeros(1 << 20)
        weights[-1] = number
        save_file({"w": weights}, folder / "model.safetensors")
        named.append(LlamaMobSettings(base=str(folder)).recorded()["base"])
        (folder / "tokenizer.model").write_bytes(b"7")
        named.append(LlamaMobSettings(base=str(folder)).recorded()["base"])
    assert len(set(named)) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lora": "no/where"}, r"lora\n.*no/where: there is no such file or folder"),
        ({"instruction": {"template": "no/where"}}, r"instruction\.template\n.*no/where: there is no such file"),
        ({"base": "/no/where"}, r"base\n.*/no/where: there is no such folder; a base is `tiny`, `smollm2`, a folder"),
    ],
)
def test_what_is_not_there_is_a_fault_of_the_setting(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LlamaMobSettings(**given)
