"""Load a base: the tiny one, a folder, one of the hub, or random weights of any shape; quantised, with a LoRA."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.base import added_numbers, chat, checkpoint, controls, folders, shapes
from models.llama_mob.base.preflight import SIZES, Preflight, layer_bytes, preflight
from models.llama_mob.base.rope import Rope
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.settings import LlamaMobSettings, Numbers

Facts = dict[str, int | float | str]


@dataclass(frozen=True)
class Loaded:
    """A base ready for use: in evaluation mode, on its device, in its number format; and what a record says of it."""

    model: PreTrainedModel
    tokens: Tokens
    facts: Facts


def load(settings: LlamaMobSettings, ctx: Context) -> Loaded:
    """Load the settings' base onto the context's device; random weights follow the context's seed.

    Raises UserError, before anything is loaded, where the base is missing, broken, of another tokenizer, larger than
    the free memory, or the LoRA of another base.
    """
    gc.collect()  # a model before this one may take most of the memory: passes and recorded graphs hold each other
    found = preflight(settings, ctx.device)
    tokens = _tokens(settings, found)
    rows = _rows_of_lora(settings, tokens)
    if settings.weights == "random":
        model = _random(settings, found, ctx.seed_for("llama_mob", "weights"))
    else:
        model = _pretrained(settings, found)
    if settings.weights == "shuffled":
        controls.shuffle(model, ctx.seed_for("llama_mob", "weights"))
    if settings.permute_digits:
        controls.permute_digits(model, tokens)
    if settings.lora:
        model = _with_lora(model, settings)
    added = added_numbers.add(model, tokens) if tokens.added else 0
    if rows:
        added_numbers.write(model, tokens, rows)
    return Loaded(model.eval(), tokens, _facts(settings, found, tokens, added))


def _tokens(settings: LlamaMobSettings, found: Preflight) -> Tokens:
    """Return the base's tokenizer, or what stands in for it."""
    if found.folder is None:
        return stand_in(settings.numbers)
    marks, size = checkpoint.end_marks(found.folder, found.config), int(found.config["vocab_size"])
    tokens = Tokens.load(found.folder, base_size=size, end_marks=marks, numbers=settings.numbers)
    if settings.one_pass and not tokens.single:
        raise UserError(
            f"{tokens.name}: writes numbers in digits; all cells in one pass need one token each: set numbers: added"
        )
    return tokens


def stand_in(numbers: Numbers = "auto") -> Tokens:
    """Return a tokenizer for shapes without files: our words, split as Llama 3 does, so that prompts are as long."""
    from models.llama_mob.base.tiktoken_file import PATTERN
    from models.llama_mob.tools.make_tokenizer import make

    return Tokens(make(PATTERN), "stand-in for Llama 3's tokenizer", numbers=numbers)


def _pretrained(settings: LlamaMobSettings, found: Preflight) -> PreTrainedModel:
    """Load a checkpoint straight onto the device: what is loaded is what was checked, all of it and finite."""
    folder = folders.with_weights(settings.base)
    checkpoint.check(folder, found.config)
    logging.disable_progress_bar()
    try:
        config = _positioned(AutoConfig.from_pretrained(folder, trust_remote_code=False), found.rope)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, found.precision),
            device_map={"": found.device},
            quantization_config=_quantised(settings, found.precision),
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # whatever the library makes of somebody's files
        raise UserError(f"{folder}: cannot be loaded ({_first_line(error)})") from error
    model, told = loaded
    unread = sorted(map(str, {*told["missing_keys"], *told["mismatched_keys"]}))
    if unread:
        raise UserError(f"{folder}: {len(unread)} weights were not read ({unread[0]}); copy or download it again")
    _check_finite(model.named_parameters(), str(folder))
    model.name_or_path = settings.base
    return cast(PreTrainedModel, model)


def _check_finite(weights: Iterable[tuple[str, torch.Tensor]], where: str) -> None:
    """Raise UserError for a weight that is not a number or infinite, as it lies in memory."""
    for name, weight in weights:
        if not all(map(_finite, (weight, *_scales(weight)))):
            raise UserError(f"{where}: {name} holds numbers that are not finite; copy or download it again")


def _finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    low, high = torch.aminmax(tensor.detach())  # both are NaN where one number is
    return bool(low.isfinite() and high.isfinite())


def _scales(weight: Any) -> Iterable[torch.Tensor]:
    """Return the scales of a weight that bitsandbytes quantised: what was not finite is not finite in them."""
    state = getattr(weight, "quant_state", None)
    inner = getattr(state, "state2", None)
    scales = (getattr(weight, "SCB", None), *(getattr(part, "absmax", None) for part in (state, inner)))
    return [scale for scale in (*scales, getattr(state, "offset", None)) if isinstance(scale, torch.Tensor)]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _random(settings: LlamaMobSettings, found: Preflight, seed: int) -> PreTrainedModel:
    """Build random weights on the device and in the number format at once, without a copy in float32."""
    given = dict(found.config)
    config = _positioned(AutoConfig.for_model(given.pop("model_type", "llama"), **given), found.rope)
    config._attn_implementation = "sdpa"
    devices = [torch.device(found.device)] if found.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), torch.device(found.device):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, found.precision))
    model.name_or_path = settings.shape or settings.base
    return model


def _positioned(config: PretrainedConfig, rope: Rope) -> PretrainedConfig:
    """Return the config with the positions that are used, and the tokens that the base reads with them."""
    if rope.parameters is not None:
        config.rope_parameters = rope.parameters
    config.max_position_embeddings = rope.context
    return config


def _quantised(settings: LlamaMobSettings, precision: str) -> Any:
    """Return how bitsandbytes quantises while loading: NF4 that computes in the number format, or LLM.int8()."""
    if settings.quantize is None:
        return None
    from transformers import BitsAndBytesConfig

    if settings.quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    compute = getattr(torch, precision)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute)


def _rows_of_lora(settings: LlamaMobSettings, tokens: Tokens) -> dict[str, torch.Tensor]:
    """Return the rows of added numbers that a published LoRA was tuned with, if it was tuned with such."""
    if settings.lora is None:
        return {}
    folder = folders.located(settings.lora)
    if not (folder / added_numbers.FILE).exists():
        return {}
    if not tokens.added:
        raise UserError(f"lora {folder}: was tuned with a token added for each number; set numbers: added")
    return added_numbers.read(folder)


def _with_lora(model: PreTrainedModel, settings: LlamaMobSettings) -> PreTrainedModel:
    """Add a published LoRA to the weights; beside them where they are quantised."""
    from peft import PeftModel

    folder = folders.located(Path(str(settings.lora)))
    try:
        tuned: Any = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    except Exception as error:  # whatever the library makes of somebody's files
        raise UserError(f"lora {folder}: cannot be loaded ({_first_line(error)})") from error
    added = ((name, weight) for name, weight in tuned.named_parameters() if "lora_" in name or "modules_to" in name)
    _check_finite(added, f"lora {folder}")
    return tuned if settings.quantize else tuned.merge_and_unload()


def _facts(settings: LlamaMobSettings, found: Preflight, tokens: Tokens, added: int) -> Facts:
    """Say what the base is, and what a pass over it must read and compute (bench/profiling/roofline.py).

    added: weights that it got for numbers.
    """
    facts: Facts = {
        "parameters": shapes.parameters(found.config) + added,
        "layer_parameters": shapes.layer_parameters(found.config),
        "layer_bytes": layer_bytes(found.config, found.quantised, SIZES[found.precision]),
        "cache_bytes_a_token": shapes.cache_numbers(found.config) * SIZES[found.precision],
        "attention_width": shapes.attention_width(found.config),
        "init": settings.weights,
        "rope": str(found.rope),
        "context": found.rope.context,
        "chat_layout": chat.described(found.folder, tokens.chat),
        "numbers": tokens.way,
    }
    if tokens.added:
        facts |= {"added_tokens": len(tokens.added), "added_parameters": added}
    if settings.weights == "random" and settings.tuning == "none":
        facts["undertrained"] = "random weights, for latency only"
    return facts
