"""Small random bases whose tokenizer writes numbers digit by digit, as SmolLM2, Qwen, Gemma and Mistral do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MARKS = {
    "chatml": ["<|im_start|>", "<|im_end|>"],
    "gemma": ["<bos>", "<start_of_turn>", "<end_of_turn>"],
    "mistral": ["<s>", "</s>", "[INST]", "[/INST]"],
}
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "initializer_range": 0.3,
    "tie_word_embeddings": True,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {  # model_type -> chat layout, what its config has beside the shape
    "llama": ("chatml", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "qwen2": ("chatml", {}),
    "qwen3": ("chatml", {}),
    "gemma3_text": ("gemma", {"sliding_window": 4096}),
    "smollm3": ("chatml", {}),
    "olmo2": ("chatml", {}),
}


def digit_tokenizer(chat: str = "chatml") -> Any:
    """Return a byte-level tokenizer whose digits stand alone; brackets beside each other are merged, as in JSON."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("]", ","), ("]", "]"), ("],", "["), ("Ċ", "Ġ"), ("ĊĠ", "Ġ")]
    words = [*letters, *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS[chat]])
    return made


def digit_base(folder: Path, kind: str = "llama", **more: Any) -> Path:
    """Write a random base of an architecture with such a tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    chat, own = KINDS[kind]
    tokenizer = digit_tokenizer(chat)
    marks = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": tokenizer.token_to_id(MARKS[chat][1])}
    size = {"vocab_size": tokenizer.get_vocab_size()}
    config = AutoConfig.for_model(kind, **{**SHAPE, **size, **own, **marks, **more})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
