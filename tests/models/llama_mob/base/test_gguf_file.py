"""A GGUF file becomes a folder that answers alike, once; what is not whole is refused. SmolLM2 where pip brought it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from digit_base import digit_base, digit_tokenizer
from tokenizers import Tokenizer

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob import LlamaMobSettings
from models.llama_mob.base import base, controls, gguf_file
from models.llama_mob.base.tokens import Tokens

gguf = pytest.importorskip("gguf")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOBILITY_BENCH_BASES", str(tmp_path / "bases"))
    return tmp_path / "bases"


def as_gguf(folder: Path, path: Path, architecture: str = "llama") -> Path:
    """Write a folder's weights as llama.cpp's converter does: heads' rows in pairs, names of its own."""
    model = base.load(LlamaMobSettings(base=str(folder), tuning="none"), Context()).model
    config, tokenizer = model.config, Tokenizer.from_file(str(folder / "tokenizer.json"))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if word.startswith("<|") else 1 for word in vocabulary])
    writer.add_token_merges(["] ,", "] ]", "], [", "Ċ Ġ", "ĊĠ Ġ"])
    writer.add_eos_token_id(tokenizer.token_to_id("<|im_end|>"))
    ours = {theirs: mine for mine, theirs in gguf_file._LAYER.items()}
    whole = {theirs: mine for mine, theirs in gguf_file._WHOLE.items()}
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        if name in whole:
            writer.add_tensor(whole[name], values)
            continue
        number, _, module = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(ours[module])
        if heads:
            rows = values.reshape(heads, 2, -1, values.shape[1])
            values = np.ascontiguousarray(rows.swapaxes(1, 2).reshape(values.shape))
        writer.add_tensor(f"blk.{number}.{ours[module]}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_becomes_a_folder_that_scores_alike(tmp_path: Path, cache: Path) -> None:
    folder = digit_base(tmp_path / "made")
    path = as_gguf(folder, tmp_path / "small.gguf")
    ids = torch.tensor([[7, 9, 60, 12, 200]])
    with torch.inference_mode():
        wanted, found = (
            base.load(LlamaMobSettings(base=str(one), tuning="none", precision="float32"), Context()).model(ids).logits
            for one in (folder, path)
        )
    assert torch.equal(wanted, found)
    (converted,) = cache.iterdir()
    text = "3 16 88 120\n<|im_end|>[[60,7,1,200]]"
    assert Tokens.load(converted).encode(text) == Tokens.load(folder).encode(text)
    assert LlamaMobSettings(base=str(path)).recorded()["base"].startswith("gguf sha256:")
    before = (converted / "model.safetensors").stat().st_mtime_ns
    assert gguf_file.folder_of(path) == converted
    assert (converted / "model.safetensors").stat().st_mtime_ns == before


def test_what_is_not_whole_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    folder = digit_base(tmp_path / "made")
    path = as_gguf(folder, tmp_path / "small.gguf")
    (tmp_path / "cut.gguf").write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"cut\.gguf: cannot be read as GGUF"):
        gguf_file.folder_of(tmp_path / "cut.gguf")
    with pytest.raises(UserError, match="architecture 'bloom' is not converted"):
        gguf_file.folder_of(as_gguf(folder, tmp_path / "other.gguf", "bloom"))
    assert list(cache.iterdir()) == []
    weights = gguf_file.folder_of(path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="is not what was converted there; remove the folder"):
        gguf_file.folder_of(path)


def test_controls_take_away_what_they_say(tmp_path: Path) -> None:
    folder = digit_base(tmp_path)
    model = base.load(LlamaMobSettings(base=str(folder), tuning="none"), Context()).model
    tokens = Tokens(digit_tokenizer())
    rows = model.get_input_embeddings().weight.detach().clone()
    controls.permute_digits(model, tokens)
    digits = tokens.tables[0][:10, 0]
    moved = np.flatnonzero((model.get_input_embeddings().weight.detach() != rows).any(dim=1).numpy())
    assert sorted(moved) == sorted(digits)
    assert torch.equal(
        model.get_input_embeddings().weight.detach()[digits].sort(dim=0).values, rows[digits].sort(dim=0).values
    )
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    controls.shuffle(model, 1)
    for name, weight in model.named_parameters():
        assert torch.equal(weight.flatten().sort().values, before[name].flatten().sort().values)
        assert name.endswith("norm.weight") or not torch.equal(weight, before[name])


@pytest.mark.skipif(gguf_file.smollm2() is None, reason=f"SmolLM2 is not here: {gguf_file.GET_SMOLLM2}")
@pytest.mark.slow
def test_smollm2_knows_a_capital(tmp_path: Path) -> None:
    loaded = base.load(LlamaMobSettings(base="smollm2", tuning="none", precision="float32"), Context())
    assert loaded.facts["parameters"] == 134_515_008
    assert (loaded.facts["numbers"], loaded.facts["chat_layout"]) == ("digits", "ChatML, the base's own")
    ids = loaded.tokens.encode("The capital of France is")
    with torch.inference_mode():
        said = int(loaded.model(torch.tensor([ids])).logits[0, -1].argmax())
    assert loaded.tokens.decode([said]) == " Paris"
