"""A published LoRA (peft's folder): is it whole, and does it belong to a base? Only the header of its file is read.

Every tensor of the file must be one that peft puts to use, and every layer that its config names must be there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.errors import UserError
from models.llama_mob.base import folders, shapes
from models.llama_mob.base.checkpoint import HEAD, Entry, by, read_header, read_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+?)\.(?P<part>lora_A\.|lora_B\.|base_layer\.|)weight")
_NOISE = re.compile(r"(-bnb-(4|8)bit|-unsloth|-hf)+$|^meta-")
_EMBEDDINGS = "model.embed_tokens.weight"


class LoraSettings(BaseModel):
    """What of a LoRA's config decides which tensors its file must hold; defaults are peft's."""

    model_config = ConfigDict(strict=True, frozen=True)

    peft_type: str
    base_model_name_or_path: str | None = None
    r: int = Field(8, ge=1)
    rank_pattern: dict[str, int] | None = None
    target_modules: str | list[str] | None = None
    exclude_modules: str | list[str] | None = None
    modules_to_save: list[str] | None = None
    layers_to_transform: int | list[int] | None = None

    @field_validator("target_modules", "exclude_modules")
    @classmethod
    def _is_a_pattern(cls, names: str | list[str] | None) -> str | list[str] | None:
        if isinstance(names, str):
            try:
                re.compile(names)
            except re.error as error:
                raise ValueError(f"is no pattern ({error})") from None
        return names


def check(folder: Path, config: Mapping[str, Any], base: Collection[str]) -> None:
    """Raise UserError unless a folder holds a whole LoRA for a base.

    config: the base's; base: its names. A LoRA of another base has other shapes or says another name; names are
    compared without owner, letter case and the marks of quantised copies.
    """
    if not folder.is_dir():
        raise UserError(f"lora {folder}: there is no such folder")
    said = _read(folder / CONFIG)
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").exists()
        raise UserError(f"lora {folder}: there is no {WEIGHTS}" + ("; pickled weights are not read" if pickled else ""))
    found = read_header(folder / WEIGHTS)
    _check_base(folder, said, base)
    _check_tensors(folder, found, said, config)
    _check_layers(folder, found, said, config)


def _read(path: Path) -> LoraSettings:
    """Read a LoRA's config. Raises UserError unless it is one."""
    try:
        said = LoraSettings.model_validate(read_json(path, "a LoRA's folder holds it beside the weights"))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UserError(f"{path}: {key}: {fault['msg']}; copy or download it again") from None
    if said.peft_type.upper() != "LORA":
        raise UserError(f"{path}: peft_type is {said.peft_type!r}; only LORA is read")
    return said


def plain_name(name: str) -> str:
    """Return a model's name without owner or folders, letter case, and the marks of quantised copies."""
    name = folders.hub_id(name) or name
    return _NOISE.sub("", _NOISE.sub("", re.split(r"[\\/]", name.rstrip("\\/"))[-1].lower()))


def _check_base(folder: Path, said: LoraSettings, base: Collection[str]) -> None:
    tuned_on = said.base_model_name_or_path
    if tuned_on and plain_name(tuned_on) not in {plain_name(name) for name in base}:
        raise UserError(
            f"lora {folder}: it was tuned on {tuned_on}, the base is {' alias '.join(sorted(base))}; "
            f"take its own base (in a folder named {plain_name(tuned_on)})"
        )


def _check_tensors(folder: Path, found: Mapping[str, Entry], said: LoraSettings, config: Mapping[str, Any]) -> None:
    """Raise UserError for a tensor that would not be used, or is of other sizes than the base and the rank ask for."""
    wanted = shapes.tensors(config)
    for name, entry in found.items():
        match, is_now = _TENSOR.fullmatch(name), by(entry.shape)
        if match is None:
            raise UserError(
                f"lora {folder}: {name} ({is_now}) is no LoRA matrix A or B and no whole weight; LoRAs with "
                "more (biases, magnitudes, ...) are not read: take a plain one, or a base with it merged in"
            )
        module, part = f"{match['module']}.weight", match["part"]
        if config.get("tie_word_embeddings") and module in (HEAD, _EMBEDDINGS):
            raise UserError(
                f"lora {folder}: {name} ({is_now}) changes {match['module']}, which this base ties to its other end "
                f"({by(wanted[_EMBEDDINGS])}): both would change; take a LoRA of the layers alone"
            )
        whole = wanted.get(module)
        if whole is None:
            raise UserError(
                f"lora {folder}: {name} ({is_now}) changes {match['module']}, which the base has not: it is of another "
                "base"
            )
        rank = _rank(entry, part, said)
        fits = {"lora_A.": (rank, *whole[1:]), "lora_B.": (*whole[:1], rank)}.get(part, whole)
        if entry.shape != fits:
            raise UserError(
                f"lora {folder}: {name} is {is_now}, where the base ({by(whole)}) and {CONFIG} ask for {by(fits)}: "
                "it is of another base, or broken"
            )


def _rank(entry: Entry, part: str, said: LoraSettings) -> int:
    """Return the rank that a matrix must have: the config's or, where layers have ranks of their own, its own."""
    if said.rank_pattern and len(entry.shape) == 2:
        return entry.shape[0] if part == "lora_A." else entry.shape[1]
    return said.r


def _check_layers(folder: Path, found: Mapping[str, Entry], said: LoraSettings, config: Mapping[str, Any]) -> None:
    """Raise UserError unless the file's matrices are those of the layers that the config names."""
    modules = [name.removesuffix(".weight") for name in shapes.tensors(config) if name.endswith("weight")]
    targets, saved = _targets(said, modules), _ends_in(modules, said.modules_to_save or ())
    named = {f"base_model.model.{module}.lora_{side}.weight" for module in targets for side in "AB"}
    named |= {f"base_model.model.{module}.weight" for module in saved}
    if not targets:
        raise UserError(f"{folder / CONFIG}: target_modules {said.target_modules!r} names no layer of the base")
    lacking = sorted(named - set(found))
    if lacking:
        raise UserError(
            f"lora {folder}: {WEIGHTS} lacks {len(lacking)} of the {len(named)} tensors that {CONFIG} names "
            f"({lacking[0]}); copy or download it again"
        )
    over = sorted(name for name in set(found) - named if ".base_layer." not in name)
    if over:
        raise UserError(
            f"lora {folder}: {WEIGHTS} holds {len(over)} tensors that {CONFIG} does not name ({over[0]}), so that they "
            "would not be used; put their modules into target_modules, or take the LoRA's own config"
        )


def _targets(said: LoraSettings, modules: list[str]) -> set[str]:
    """Return the modules that a LoRA's config names, as peft reads it."""
    asked, layers = said.target_modules, said.layers_to_transform
    linear = [module for module in modules if module.endswith("_proj")]
    if asked == "all-linear":
        chosen = set(linear)
    elif isinstance(asked, str):
        chosen = {module for module in modules if re.fullmatch(asked, module)}
    else:
        chosen = _ends_in(modules, asked or ())
        if layers is not None:
            kept = {layers} if isinstance(layers, int) else set(layers)
            chosen = {module for module in chosen if (at := re.search(r"\.(\d+)\.", module)) and int(at[1]) in kept}
    left_out = said.exclude_modules or ()
    if isinstance(left_out, str):
        return {module for module in chosen if not re.fullmatch(left_out, module)}
    return chosen - _ends_in(modules, left_out)


def _ends_in(modules: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the modules that are called by one of the names, or end in one."""
    return {module for module in modules if any(module == name or module.endswith(f".{name}") for name in names)}
