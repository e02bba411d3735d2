"""A small random base with the tiny one's tokenizer: enough to run every part of Llama-Mob in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

TINY = Path(__file__).resolve().parent.parent / "models" / "llama_mob" / "tiny"


def small_llama(seed: int = 5) -> LlamaForCausalLM:
    """Return a Llama with random weights, 2 layers and a width of 16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from models.llama_mob.base.tokens import Tokens

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=Tokens.load(TINY).size, num_key_value_heads=1, tie_word_embeddings=True, **shape)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def small_base(folder: Path) -> Path:
    """Write it as a base's folder."""
    small_llama().save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((TINY / "tokenizer.json").read_bytes())
    return folder
