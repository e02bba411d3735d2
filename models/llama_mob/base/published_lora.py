"""A published LoRA adapter (peft's folder): does it belong to a base? It is read as safetensors only."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError
from models.llama_mob.base import shapes
from models.llama_mob.base.checkpoint import Entry, read_header, read_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_NOISE = re.compile(r"(-bnb-(4|8)bit|-unsloth|-hf)+$|^meta-")


def check(folder: Path, config: Mapping[str, Any], base: Collection[str]) -> None:
    """Raise UserError unless a folder holds a whole LoRA for a base.

    config: the base's; base: its names. A LoRA of another base has other shapes or says another name; names are
    compared without owner, letter case and the marks of quantised copies.
    """
    if not folder.is_dir():
        raise UserError(f"lora {folder}: there is no such folder")
    said = read_json(folder / CONFIG, "a LoRA's folder holds it beside the weights")
    if str(said.get("peft_type")).upper() != "LORA":
        raise UserError(f"{folder / CONFIG}: peft_type is {said.get('peft_type')!r}; only LORA is read")
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").exists()
        raise UserError(f"lora {folder}: there is no {WEIGHTS}" + ("; pickled weights are not read" if pickled else ""))
    _check_shapes(read_header(folder / WEIGHTS), config, folder)
    tuned_on = said.get("base_model_name_or_path")
    if tuned_on and plain_name(tuned_on) not in {plain_name(name) for name in base}:
        raise UserError(
            f"lora {folder}: it was tuned on {tuned_on}, the base is {' alias '.join(sorted(base))}; "
            f"take its own base (in a folder named {plain_name(tuned_on)})"
        )


def plain_name(name: str) -> str:
    """Return a model's name without owner or folders, letter case, and the marks of quantised copies."""
    return _NOISE.sub("", _NOISE.sub("", name.rstrip("/").rpartition("/")[2].lower()))


def _check_shapes(found: Mapping[str, Entry], config: Mapping[str, Any], folder: Path) -> None:
    """Compare the in and out sizes of each pair of matrices with those of the base's weights."""
    wanted = shapes.tensors(config)
    matched = {name: match for name in found if (match := _TENSOR.fullmatch(name))}
    if not matched:
        raise UserError(f"lora {folder}: {WEIGHTS} holds no LoRA matrices; copy or download it again")
    for name, match in matched.items():
        whole, shape = wanted.get(f"{match['module']}.weight"), found[name].shape
        if whole is None:
            raise UserError(
                f"lora {folder}: it changes {match['module']}, which the base has not: it is of another base"
            )
        axis = 1 if match["side"] == "A" else 0
        if len(shape) != 2 or shape[axis] != whole[axis]:
            raise UserError(
                f"lora {folder}: its matrices for {match['module']} are for {shape[axis]} numbers, the base has "
                f"{whole[axis]}: it is of another base"
            )
