"""Folders of bases and LoRA weights with the faults that real ones have had, each made in a moment.

Llamas of 2 layers, width 16, random weights, with the tiny base's tokenizer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from small_llama import TINY
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

Tensors = dict[str, torch.Tensor]
WEIGHTS, LORA_WEIGHTS = "model.safetensors", "adapter_model.safetensors"
COMMIT = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
SHAPE = {"vocab_size": 2368, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32768, "eos_token_id": 2364}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 |= {"original_max_position_embeddings": 8192}
BITS = {"load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4", "quant_method": "bitsandbytes"}
CHATML = (
    "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3_CHAT = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}<|start_header_id|>{{ m.role }}"
    "<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def base(folder: Path, *, seed: int = 0, shard: str = "5GB", **changes: Any) -> Path:
    """Write a base and return its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**{**SHAPE, "initializer_range": 0.2, **changes}))
    model.save_pretrained(folder, max_shard_size=shard)
    shutil.copy(TINY / "tokenizer.json", folder / "tokenizer.json")
    return folder


def edit(folder: Path, file: str = "config.json", *, drop: tuple[str, ...] = (), **changes: Any) -> Path:
    """Change a JSON file of a folder, which may be a new one."""
    path = folder / file
    content = (json.loads(path.read_text()) if path.exists() else {}) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if key not in drop}))
    return folder


def change(folder: Path, how: Callable[[Tensors], Tensors], file: str = WEIGHTS) -> Path:
    """Put a folder's tensors through a change."""
    save_file(how(load_file(folder / file)), folder / file, metadata={"format": "pt"})
    return folder


def without(part: str) -> Callable[[Tensors], Tensors]:
    """Return a change that leaves out the tensors whose names hold a part."""
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


def spoilt(part: str, by: float = float("nan")) -> Callable[[Tensors], Tensors]:
    """Return a change that puts one odd number into the first tensor whose name holds a part."""

    def how(tensors: Tensors) -> Tensors:
        tensors[next(name for name in sorted(tensors) if part in name)].view(-1)[-1] = by
        return tensors

    return how


def padded(folder: Path, word: str = "[PAD]") -> Path:
    """Give a base's tokenizer one token more than the base has."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([word])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def cached(hub: Path, source: Path, *, commit: str = COMMIT, name: str = "models--acme--Small") -> Path:
    """Lay a folder into the hub's cache as a repository's snapshot, which main then names; return the snapshot."""
    snapshot = hub / name / "snapshots" / commit
    shutil.copytree(source, snapshot)
    (hub / name / "refs").mkdir(exist_ok=True)
    (hub / name / "refs" / "main").write_text(commit)
    return snapshot


def lora(of: Path, folder: Path, *, named: str = "acme/Small", **changes: Any) -> Path:
    """Write LoRA weights for a base, which say what they were tuned on, and return their folder."""
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        tuned = get_peft_model(LlamaForCausalLM.from_pretrained(of), LoraConfig(**{**settings, **changes}))
        with torch.no_grad():
            for name, weight in tuned.named_parameters():
                if "lora_B" in name or "modules_to_save" in name:
                    weight.add_(torch.randn_like(weight) * 0.3)
    tuned.save_pretrained(folder)
    return edit(folder, "adapter_config.json", base_model_name_or_path=named)
