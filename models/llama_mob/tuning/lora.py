"""LoRA by peft: beside a base, merged into it, on disk in peft's own files. ``fit.py`` trains it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel

from bench.files import write_text, write_with
from models.llama_mob.base import added_numbers, folders
from models.llama_mob.settings import SMOLLM2, LlamaMobSettings, on_hub
from models.llama_mob.tuning import kept, number_rows

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def attach(model: PreTrainedModel, settings: LlamaMobSettings, seed: int) -> PeftModel:
    """Put fresh LoRA matrices beside the targets; the base is frozen, and the start changes no answer."""
    if settings.quantize:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(seed)
    return get_peft_model(model, _config(settings))


def unwrap(model: PeftModel) -> PreTrainedModel:
    """Return the base with the matrices at work in its layers."""
    base: PreTrainedModel = model.get_base_model()  # type: ignore[assignment]
    return base


def matrices(model: PeftModel) -> dict[str, Tensor]:
    """Return the LoRA's matrices by peft's names, copied to the CPU."""
    found = get_peft_model_state_dict(model, save_embedding_layers=False)  # a base's tables are never among them
    return {name: tensor.detach().cpu().clone() for name, tensor in found.items()}


def merge(model: PreTrainedModel, learned: dict[str, Tensor], settings: LlamaMobSettings) -> PreTrainedModel:
    """Return the base with learned matrices merged into its weights; beside them where these are quantized.

    Raises UserError where a matrix is not there, or of another size than the base asks for.
    """
    both = get_peft_model(model, _config(settings))
    matrices_alone = number_rows.split(learned)[0]
    kept.check(matrices_alone, get_peft_model_state_dict(both, save_embedding_layers=False))
    set_peft_model_state_dict(both, matrices_alone)
    merged: PreTrainedModel = both if settings.quantize else both.merge_and_unload()  # type: ignore[assignment]
    return merged


def save(learned: dict[str, Tensor], settings: LlamaMobSettings, folder: Path) -> None:
    """Write the matrices as peft does, so that the folder can be given as ``lora`` too; rows of numbers beside them."""
    matrices, rows = number_rows.split(learned)
    write_with(folder / WEIGHTS, lambda part: save_file(matrices, part, metadata={"format": "pt"}))
    if rows:
        added_numbers.save(rows, folder)
    config = _config(settings).to_dict() | {"base_model_name_or_path": _named(settings), "inference_mode": True}
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    write_text(folder / CONFIG, json.dumps(plain, indent=1, sort_keys=True) + "\n")


def load(folder: Path, settings: LlamaMobSettings) -> dict[str, Tensor]:
    """Read what save wrote. Raises UserError where matrices, or rows of added numbers, are not whole."""
    rows = number_rows.named(added_numbers.read(folder)) if settings.numbers == "added" else {}
    return kept.weights(folder / WEIGHTS) | rows


def _named(settings: LlamaMobSettings) -> str:
    """Return the base's name without folders of this machine."""
    if settings.base in ("tiny", SMOLLM2) or on_hub(settings.base):
        return folders.repository(settings.base)
    return folders.hub_id(settings.base) or Path(settings.base).name


def _config(settings: LlamaMobSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.scale(),  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        task_type="CAUSAL_LM",
    )
