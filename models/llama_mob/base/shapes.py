"""Shapes of models: the known ones by name, and the tensors that a config asks for. Llamas need no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

from bench.errors import UserError, nearest

Config = Mapping[str, Any]  # of a config.json
PROJECTIONS = {
    "self_attn": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}

_LLAMA_3 = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 128256,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "bos_token_id": 128000,
    "eos_token_id": 128009,
}
_LLAMA_3_2 = {
    **_LLAMA_3,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}
# As Meta publishes them: the config.json of Llama 3 8B Instruct and of Llama 3.2 1B and 3B Instruct.
KNOWN: dict[str, dict[str, Any]] = {
    "llama-3-8b": {
        **_LLAMA_3,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 8192,
    },
    "llama-3.2-3b": {
        **_LLAMA_3_2,
        "hidden_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "head_dim": 128,
    },
    "llama-3.2-1b": {
        **_LLAMA_3_2,
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "head_dim": 64,
    },
}


def known(name: str) -> dict[str, Any]:
    """Return the config of a known shape. Raises UserError with the nearest name."""
    if name not in KNOWN:
        raise UserError(f"shape '{name}' is not known{nearest(name, ('tiny', *KNOWN))}")
    return KNOWN[name]


def tensors(config: Config) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every weight that transformers' model has for a config."""
    if config.get("model_type", "llama") != "llama":
        return dict(_on_meta(json.dumps(dict(config), sort_keys=True)))
    hidden, vocabulary = int(config["hidden_size"]), int(config["vocab_size"])
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(int(config["num_hidden_layers"])):
        name = f"model.layers.{layer}"
        for module, shape in projections(config).items():
            found[f"{name}.{module}.weight"] = shape
            if config.get("attention_bias" if module.startswith("self_attn") else "mlp_bias"):
                found[f"{name}.{module}.bias"] = shape[:1]
        found |= {f"{name}.{norm}.weight": (hidden,) for norm in ("input_layernorm", "post_attention_layernorm")}
    found["model.norm.weight"] = (hidden,)
    if not config.get("tie_word_embeddings"):
        found["lm_head.weight"] = (vocabulary, hidden)
    return found


@lru_cache(maxsize=8)
def _on_meta(config: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return names and shapes as a model has them that is built without memory for its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    given = json.loads(config)
    made = AutoConfig.for_model(given.pop("model_type"), **given)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(made)
    return tuple((name, tuple(weight.shape)) for name, weight in model.named_parameters())


def projections(config: Config) -> dict[str, tuple[int, int]]:
    """Return module -> (out, in) of the linear maps of one layer."""
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    queries, keys = int(config["num_attention_heads"]) * head_dim(config), kv_heads(config) * head_dim(config)
    attention = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
    attention["o_proj"] = (hidden, queries)
    perceptron = {"gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
    return {f"self_attn.{name}": shape for name, shape in attention.items()} | {
        f"mlp.{name}": shape for name, shape in perceptron.items()
    }


def head_dim(config: Config) -> int:
    """Return the width of one attention head."""
    return int(config.get("head_dim") or int(config["hidden_size"]) // int(config["num_attention_heads"]))


def kv_heads(config: Config) -> int:
    """Return how many heads have keys and values of their own."""
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def parameters(config: Config) -> int:
    """Return how many weights there are."""
    return sum(prod(shape) for shape in tensors(config).values())


def layer_parameters(config: Config) -> int:
    """Return how many weights every fed token is multiplied with: those of the layers' linear maps."""
    if config.get("model_type", "llama") != "llama":
        found = tensors(config).items()
        return sum(prod(shape) for name, shape in found if ".layers." in name and len(shape) > 1)
    return int(config["num_hidden_layers"]) * sum(prod(shape) for shape in projections(config).values())


def attention_width(config: Config) -> int:
    """Return how many numbers of queries there are for one token, over all layers."""
    return int(config["num_hidden_layers"]) * int(config["num_attention_heads"]) * head_dim(config)


def cache_numbers(config: Config) -> int:
    """Return how many numbers of keys and values the cache holds for one token."""
    return 2 * int(config["num_hidden_layers"]) * kv_heads(config) * head_dim(config)
