"""A base on disk: its config, and its safetensors looked through by their headers alone. No torch is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.errors import UserError
from models.llama_mob.base import shapes

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
HEAD = "lm_head.weight"
FLOATS = ("F64", "F32", "F16", "BF16")  # formats of weights that are not quantised
Quantised = Literal["4bit", "8bit"]
PICKLED = ("*.bin", "*.pth", "*.pt")
READ = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text", "smollm3", "olmo2")  # model types
_CHANGES_SCORES = {
    "final_logit_softcapping": None,
    "attn_logit_softcapping": None,
    "logits_scaling": 1.0,
    "logit_scale": 1.0,
}
_LONGEST_HEADER = 100 << 20  # bytes; safetensors' own limit
_NEEDED = {  # sizes that a config must have -> the largest believed
    "hidden_size": 1 << 20,
    "intermediate_size": 1 << 20,
    "num_attention_heads": 1 << 12,
    "num_hidden_layers": 1 << 12,
    "vocab_size": 1 << 24,
}
_OPTIONAL = {"num_key_value_heads": 1 << 12, "head_dim": 1 << 16, "max_position_embeddings": 1 << 30}


@dataclass(frozen=True)
class Entry:
    """A tensor in a safetensors file: its number format (F32, BF16, U8, ...), shape and bytes."""

    format: str
    shape: tuple[int, ...]
    bytes: int


def read_config(folder: Path) -> dict[str, Any]:
    """Read a base's config.json.

    Raises UserError unless it is there, is JSON, and is of an architecture whose answers the engine gives.
    """
    path = folder / "config.json"
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; a base is `tiny`, a folder or a hub id")
    config = read_json(path, "a base needs its config beside its weights")
    if config.get("model_type") not in READ:
        raise UserError(f"{path}: model_type is {config.get('model_type')!r}; a base must be one of {', '.join(READ)}")
    for name, plain in _CHANGES_SCORES.items():
        if config.get(name) not in (None, plain):
            raise UserError(f"{path}: {name} is {config[name]!r}, which the engine would pass over; take another base")
    lacking = [name for name in _NEEDED if config.get(name) is None]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}; copy or download it again")
    for name, most in (_NEEDED | _OPTIONAL).items():
        size = config.get(name)
        if size is not None and not (type(size) is int and 1 <= size <= most):
            raise UserError(f"{path}: {name} is {size!r}, not a whole number from 1 to {most:,}; download it again")
    return config


def end_marks(folder: Path, config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the ids that end what a base writes: those of its generation config, else of its config."""
    path = folder / "generation_config.json"
    said = read_json(path, "").get("eos_token_id") if path.is_file() else None
    said = config.get("eos_token_id") if said is None else said
    return tuple(mark for mark in (said if isinstance(said, list) else [said]) if type(mark) is int)


def files(folder: Path) -> list[Path]:
    """Return the files of a base's weights as transformers chooses them: a single one comes before an index of shards.

    Raises UserError where files are missing or pickled.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.exists():
        raise UserError(f"{folder}: {_nothing_safe(folder)}")
    said = read_json(index, "").get("weight_map")
    if not isinstance(said, dict) or not all(
        isinstance(name, str) and Path(name).name == name for name in said.values()
    ):
        raise UserError(f"{index}: holds no weight_map with names of files beside it; copy or download it again")
    names = sorted(set(said.values()))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(names)} shards are missing ({missing[0]}); copy or download them"
        )
    return [folder / name for name in names]


def headers(folder: Path) -> dict[str, Entry]:
    """Return every tensor of a base's safetensors. Raises UserError where files are missing, cut off or pickled."""
    found: dict[str, Entry] = {}
    for path in files(folder):
        entries = read_header(path)
        twice = sorted(set(found) & set(entries))
        if twice:
            raise UserError(f"{path}: {twice[0]} stands in another shard too; copy or download the shards again")
        found |= entries
    return found


def read_header(path: Path) -> dict[str, Entry]:
    """Read what a safetensors file holds. Raises UserError if it is none or is cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size, _LONGEST_HEADER):
                raise ValueError("its first bytes are no header")
            content = json.loads(file.read(length))
        content.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in content.values()), default=0)
        found = {name: _entry(entry) for name, entry in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({error}); copy or download it again") from None
    if size != 8 + length + end:
        raise UserError(
            f"{path}: is {size:,} bytes long, its header says {8 + length + end:,}; copy or download it again"
        )
    return found


def _entry(entry: Mapping[str, Any]) -> Entry:
    begin, end = entry["data_offsets"]
    return Entry(str(entry["dtype"]), tuple(map(int, entry["shape"])), int(end) - int(begin))


def quantised(config: Mapping[str, Any], where: Path) -> Quantised | None:
    """Return how a config says that the weights are stored: quantised by bitsandbytes, or not (None)."""
    said = config.get("quantization_config")
    if said is None:
        return None
    method = said.get("quant_method", "bitsandbytes") if isinstance(said, dict) else said
    if method != "bitsandbytes":
        raise UserError(
            f"{where}: quantization_config: weights quantised by {method} are not read; take unquantised ones"
        )
    return "4bit" if said.get("load_in_4bit") else "8bit"


def check(folder: Path, config: Mapping[str, Any]) -> None:
    """Compare a base's tensors with its config. Raises UserError unless all are there and none is left over.

    Of weights that are stored quantised the names are compared, and the shapes of those that are not.
    """
    _check_nothing_beside(folder, config)
    found, wanted = headers(folder), shapes.tensors(config)
    packed = {name for name in wanted if name in found and found[name].format not in FLOATS}
    _check_formats(folder, found, packed, quantised(config, folder / "config.json"))
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise UserError(
            f"{folder}: lacks {len(missing)} of {len(wanted)} weights ({missing[0]}); {_why(folder, missing)}"
        )
    odd = [name for name, shape in wanted.items() if name not in packed and found[name].shape != shape]
    if odd:
        raise UserError(
            f"{folder}: {odd[0]} is {by(found[odd[0]].shape)}, config.json says {by(wanted[odd[0]])}; "
            "config and weights must be of one model"
        )
    over = sorted(name for name in set(found) - set(wanted) if not _harmless(name, config, packed))
    if over:
        raise UserError(
            f"{folder}: holds {len(over)} tensors that config.json does not ask for ({over[0]}); config and weights "
            "must be of one model"
        )


def _check_nothing_beside(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise UserError for what would make transformers read other weights than those checked here."""
    if (folder / "adapter_config.json").exists():
        raise UserError(
            f"{folder}: holds adapter_config.json, a LoRA's, which would be put on the base without a word: take it "
            "out, and name the LoRA's folder as lora"
        )
    if config.get("transformers_weights") is not None:
        raise UserError(f"{folder / 'config.json'}: transformers_weights names another file; take the key out")


def _check_formats(folder: Path, found: Mapping[str, Entry], packed: set[str], said: Quantised | None) -> None:
    """The tensors' formats decide whether weights are quantised; the config must say the same."""
    if said and not packed:
        formats = "/".join(sorted({entry.format for entry in found.values()}))
        raise UserError(
            f"{folder / 'config.json'}: quantization_config says {said}, but the weights are {formats}: take the "
            f"key quantization_config out (quantize: {said} quantises weights while they are loaded)"
        )
    if packed and not said:
        first = min(packed)
        raise UserError(
            f"{folder}: {first} has the format {found[first].format}, and config.json has no quantization_config that "
            "says how it is to be read; copy or download the base again"
        )


def _harmless(name: str, config: Mapping[str, Any], packed: set[str]) -> bool:
    """Whether a tensor beyond those asked for is in order: it is computed, tied, or says how others are packed."""
    if name.endswith(".rotary_emb.inv_freq") or (name == HEAD and config.get("tie_word_embeddings")):
        return True
    parts = name.split(".")
    return any(f"{'.'.join(parts[:end])}.weight" in packed for end in range(1, len(parts)))


def _why(folder: Path, missing: list[str]) -> str:
    """Say what to do about missing weights."""
    if missing == [HEAD]:
        return "if its head is its embeddings, set tie_word_embeddings to true in config.json"
    if (folder / SINGLE).is_file() and (folder / INDEX).is_file():
        return f"{SINGLE} comes before the shards of {INDEX}: take out what is not the base's"
    return "copy or download it again"


def _nothing_safe(folder: Path) -> str:
    if any(path for pattern in PICKLED for path in folder.glob(pattern)):
        return "its weights are pickled, which is never read; convert them to safetensors"
    return f"there is no {SINGLE}, nor {INDEX}"


def read_json(path: Path, hint: str) -> dict[str, Any]:
    """Read a JSON object. Raises UserError if it cannot be read; hint: why a file that is not there is needed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not there; {hint}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); copy or download it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object; copy or download it again")
    return content


def by(shape: tuple[int, ...]) -> str:
    """Write a shape."""
    return " x ".join(map(str, shape)) if shape else "one number"
