"""A base on disk: its config, and its safetensors looked through by their headers alone. No torch is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UserError
from models.llama_mob.base import shapes

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
PICKLED = ("*.bin", "*.pth", "*.pt")
_LONGEST_HEADER = 100 << 20  # bytes; safetensors' own limit
_NEEDED = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size")


@dataclass(frozen=True)
class Entry:
    """A tensor in a safetensors file: its number format (F32, BF16, U8, ...), shape and bytes."""

    format: str
    shape: tuple[int, ...]
    bytes: int


def read_config(folder: Path) -> dict[str, Any]:
    """Read a base's config.json. Raises UserError unless it is there, is JSON, and is a Llama's."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; a base is `tiny`, a folder or a hub id")
    config = read_json(path, "a base needs its config beside its weights")
    if config.get("model_type") != "llama":
        raise UserError(f"{path}: model_type is {config.get('model_type')!r}; a base must be a llama")
    lacking = [name for name in _NEEDED if not isinstance(config.get(name), int)]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}; copy or download it again")
    return config


def headers(folder: Path) -> dict[str, Entry]:
    """Return every tensor of a base's safetensors. Raises UserError where files are missing, cut off or pickled."""
    index = folder / INDEX
    if index.exists():
        names = read_json(index, "").get("weight_map")
        if not isinstance(names, dict):
            raise UserError(f"{index}: holds no weight_map; copy or download it again")
        files = sorted(set(names.values()))
        missing = [name for name in files if not (folder / name).is_file()]
        if missing:
            raise UserError(
                f"{folder}: {len(missing)} of {len(files)} shards are missing ({missing[0]}); copy or download them"
            )
    elif (folder / SINGLE).is_file():
        files = [SINGLE]
    else:
        raise UserError(f"{folder}: {_nothing_safe(folder)}")
    return {name: entry for file in files for name, entry in read_header(folder / file).items()}


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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({error}); copy or download it again") from None
    if size != 8 + length + end:
        raise UserError(
            f"{path}: is {size:,} bytes long, its header says {8 + length + end:,}; copy or download it again"
        )
    return found


def _entry(entry: Mapping[str, Any]) -> Entry:
    begin, end = entry["data_offsets"]
    return Entry(str(entry["dtype"]), tuple(map(int, entry["shape"])), int(end) - int(begin))


def check(folder: Path, config: Mapping[str, Any]) -> dict[str, Entry]:
    """Return the tensors of a base after comparing them with its config. Raises UserError where they do not fit.

    Weights that are stored quantised keep shapes of their own and are not compared.
    """
    found = headers(folder)
    if "quantization_config" in config:
        return found
    wanted = shapes.tensors(config)
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise UserError(f"{folder}: lacks {len(missing)} of {len(wanted)} weights ({missing[0]}); copy it again")
    odd = [name for name, shape in wanted.items() if found[name].shape != shape]
    if odd:
        raise UserError(
            f"{folder}: {odd[0]} is {_by(found[odd[0]].shape)}, config.json says {_by(wanted[odd[0]])}; "
            "config and weights must be of one model"
        )
    return found


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
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); copy or download it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object; copy or download it again")
    return content


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
