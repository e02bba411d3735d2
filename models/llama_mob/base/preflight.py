"""What can be said of a base before it is loaded: is it whole, does it fit into memory. No torch is needed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.errors import UserError
from models.llama_mob.base import checkpoint, folders, published_lora, shapes
from models.llama_mob.base.rope import Rope, rope
from models.llama_mob.settings import SMOLLM2, TINY, LlamaMobSettings, is_gguf, on_hub

QUANTISED_BYTES = {"4bit": 0.5 + 4 / 64, "8bit": 1.0}  # a weight of a linear map; 4 bit: a float32 scale for 64 of them
SIZES = {"float32": 4, "bfloat16": 2}
FULL_TUNING_BYTES = 16  # a weight in full tuning: float32, its gradient, AdamW's two moments
_GB = 1e9


@dataclass(frozen=True)
class Preflight:
    """A base that can be loaded.

    folder: with its tokenizer, None where a stand-in must do; config: of its config.json; bytes: of its weights once
    loaded; quantised: how, or None; rope: positions as they are used; device, precision: where and in which number
    format.
    """

    folder: Path | None
    config: Mapping[str, Any]
    bytes: int
    quantised: str | None
    rope: Rope
    device: str
    precision: str


def precision(settings: LlamaMobSettings, device: str) -> str:
    """Return the number format on a device: float32 or bfloat16.

    ``auto`` on a CPU: bfloat16 where the CPU multiplies in it and the weights came in 4 bits, so that little is lost.
    """
    if settings.precision != "auto":
        return settings.precision
    few_bits = settings.base == SMOLLM2 or is_gguf(settings.base)
    return "bfloat16" if device.startswith("cuda") or (few_bits and _multiplies_bfloat16()) else "float32"


@lru_cache
def _multiplies_bfloat16() -> bool:
    """Return whether the CPU has instructions for products of bfloat16 (elsewhere they are slower than float32's)."""
    import torch

    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class Lacking(UserError):
    """What this machine lacks, with nothing wrong in what the user gave: a case is skipped."""


def preflight(settings: LlamaMobSettings, device: str) -> Preflight:
    """Look a base through.

    Raises UserError saying what is broken, and ``Lacking`` or ``folders.Unreachable`` for what is not to be had here.
    """
    numbers = precision(settings, device)
    folder, config = _shape(settings)
    where = "config.json" if folder is None else str(folder / "config.json")
    positions = rope(config, where, settings.rope_scaling)
    if folder and settings.weights != "random" and not on_hub(settings.base):
        checkpoint.check(folder, config)
    stored = None if settings.weights == "random" else checkpoint.quantised(config, Path(where))
    quantised = settings.quantize or stored
    if quantised:
        _check_quantising(settings, quantised, device)
    if settings.lora:
        lora = folders.located(settings.lora)
        published_lora.check(lora, config, folders.names(settings.base, folder))
    weights = _bytes(config, quantised, SIZES[numbers])
    tuned = FULL_TUNING_BYTES * shapes.parameters(config)
    _check_room(settings, tuned if settings.tuning == "full" else weights, device)
    return Preflight(folder, config, weights, quantised, positions, device, numbers)


def _shape(settings: LlamaMobSettings) -> tuple[Path | None, Mapping[str, Any]]:
    """Return the folder of the tokenizer and the config."""
    if settings.shape and settings.weights != "random":
        raise UserError("llama_mob: a shape goes with weights: random; pretrained weights have their own")
    if settings.shape and settings.shape != "tiny":
        return (None if settings.base == "tiny" else folders.small_files(settings.base)), shapes.known(settings.shape)
    folder = TINY if settings.shape else folders.small_files(settings.base)
    return folder, checkpoint.read_config(folder)


def _bytes(config: Mapping[str, Any], quantised: str | None, size: int) -> int:
    """Return the bytes of the weights; quantising leaves embeddings, head and norms as they are."""
    rest = shapes.parameters(config) - shapes.layer_parameters(config)
    return rest * size + layer_bytes(config, quantised, size)


def layer_bytes(config: Mapping[str, Any], quantised: str | None, size: int) -> int:
    """Return the bytes of the layers' linear maps; ``size``: of a number that is not quantised."""
    return int(shapes.layer_parameters(config) * (QUANTISED_BYTES[quantised] if quantised else size))


def _check_quantising(settings: LlamaMobSettings, how: str, device: str) -> None:
    if settings.weights != "pretrained" or settings.permute_digits:
        raise UserError("llama_mob: random weights are not quantised; leave quantize out")
    if settings.tuning == "full":
        raise UserError("llama_mob: quantised weights cannot be tuned in full; use tuning: lora")
    if settings.quantize and settings.lora and settings.tuning == "lora":
        raise UserError(
            "llama_mob: no LoRA can be tuned beside a published one on quantised weights; set one of them only"
        )
    if not device.startswith("cuda"):
        raise Lacking(f"llama_mob: {how} weights need a CUDA device; take unquantised ones on a CPU")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise Lacking(f"llama_mob: {how} weights need a package: pip install bitsandbytes")


def _check_room(settings: LlamaMobSettings, needed: int, device: str) -> None:
    """Raise UserError with both figures where the weights (and what full tuning keeps beside them) do not fit."""
    free = free_bytes(device)
    if needed > free:
        where, name = ("GPU memory" if device.startswith("cuda") else "memory"), settings.shape or settings.base
        for_tuning = ", gradients and moments of full tuning with them" if settings.tuning == "full" else ""
        raise Lacking(
            f"base {name}: its weights take {needed / _GB:.1f} GB of {where}{for_tuning}; {free / _GB:.1f} GB are "
            "free: take a smaller base or shape, bfloat16, or a larger machine"
        )


def free_bytes(device: str) -> int:
    """Return the bytes that are free on a device, those that torch holds unused among them."""
    if device.startswith("cuda"):
        import torch

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + unused)
    import psutil

    return int(psutil.virtual_memory().available)
