"""Load a base: the tiny one, a folder, one of the hub, or random weights of any shape; quantised, with a LoRA."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob.base import checkpoint, folders, shapes
from models.llama_mob.base.preflight import SIZES, Survey, layer_bytes, survey
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.settings import LlamaMobSettings

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
    gc.collect()  # a model before this one, held by engines that refer to themselves, may take most of the memory
    found = survey(settings, ctx.device)
    tokens = stand_in() if found.folder is None else Tokens.load(found.folder)
    if tokens.size > int(found.config["vocab_size"]):
        raise UserError(f"{tokens.name}: has {tokens.size} tokens, the base {found.config['vocab_size']}")
    if settings.weights == "random":
        model = _random(settings, found, ctx.seed_for("llama_mob", "weights"))
    else:
        model = _pretrained(settings, found)
    if settings.lora:
        model = _with_lora(model, settings)
    return Loaded(model.eval(), tokens, _facts(settings, found))


def stand_in() -> Tokens:
    """Return a tokenizer for shapes without files: our words, split as Llama 3 does, so that prompts are as long."""
    from models.llama_mob.base.tiktoken_file import PATTERN
    from models.llama_mob.tools.make_tokenizer import make

    return Tokens(make(PATTERN), "stand-in for Llama 3's tokenizer")


def _pretrained(settings: LlamaMobSettings, found: Survey) -> PreTrainedModel:
    """Load a checkpoint straight onto the device; the survey has seen that it is whole."""
    folder = folders.with_weights(settings.base)
    checkpoint.check(folder, found.config)
    logging.disable_progress_bar()
    try:
        config = _scaled(AutoConfig.from_pretrained(folder, trust_remote_code=False), settings.rope_scaling)
        model: PreTrainedModel = LlamaForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=getattr(torch, found.precision),
            device_map={"": found.device},
            quantization_config=_quantised(settings, found.precision),
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{folder}: cannot be loaded ({str(error).strip().splitlines()[0]})") from None
    model.name_or_path = settings.base
    return model


def _random(settings: LlamaMobSettings, found: Survey, seed: int) -> PreTrainedModel:
    """Build random weights on the device and in the number format at once, without a copy in float32."""
    config = _scaled(LlamaConfig.from_dict(dict(found.config)), settings.rope_scaling)
    config._attn_implementation = "sdpa"
    devices = [torch.device(found.device)] if found.device.startswith("cuda") else []
    before = torch.get_default_dtype()
    with torch.random.fork_rng(devices=devices), torch.device(found.device):
        torch.manual_seed(seed)
        torch.set_default_dtype(getattr(torch, found.precision))
        try:
            model: PreTrainedModel = LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(before)
    model.name_or_path = settings.shape or settings.base
    return model


def _scaled(config: LlamaConfig, factor: float | None) -> LlamaConfig:
    """Divide positions by a factor (linear RoPE scaling), so that a base reads more than it was trained for."""
    if factor is not None:
        rope: Any = config.rope_parameters
        theta = rope["rope_theta"]
        config.rope_parameters = {"rope_type": "linear", "factor": factor, "rope_theta": theta}
        config.max_position_embeddings = round(config.max_position_embeddings * factor)
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


def _with_lora(model: PreTrainedModel, settings: LlamaMobSettings) -> PreTrainedModel:
    """Add a published LoRA to the weights; beside them where they are quantised."""
    from peft import PeftModel

    try:
        tuned: Any = PeftModel.from_pretrained(model, str(settings.lora), is_trainable=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise UserError(f"lora {settings.lora}: cannot be loaded ({str(error).strip().splitlines()[0]})") from None
    return tuned if settings.quantize else tuned.merge_and_unload()


def _facts(settings: LlamaMobSettings, found: Survey) -> Facts:
    """Say what the base is, and what a pass over it must read and compute (bench/profiling/roofline.py)."""
    facts: Facts = {
        "parameters": shapes.parameters(found.config),
        "layer_parameters": shapes.layer_parameters(found.config),
        "layer_bytes": layer_bytes(found.config, found.quantised, SIZES[found.precision]),
        "cache_bytes_a_token": shapes.cache_numbers(found.config) * SIZES[found.precision],
        "attention_width": shapes.attention_width(found.config),
        "init": settings.weights,
    }
    if settings.weights == "random" and settings.tuning == "none":
        facts["undertrained"] = "random weights, for latency only"
    return facts
