"""A small shape of all that runs on a GPU: a base that writes digits as SmolLM2 does, few people, few steps."""

from __future__ import annotations

from pathlib import Path

MARKS = ("<|im_start|>", "<|im_end|>")  # ChatML's
SHAPE = {"shape": "tiny", "batch": "1,2", "history_days": 2, "horizon_days": 1}
LP_BERT = {"steps": 3, "tokens": 300, "every": 3, "threads": 1}
PROTOCOL: dict[str, object] = {
    "data.options.users": 60,
    "window.history": "[58, 59]",
    "window.horizon": "[60, 60]",
    "users.train": 4,
    "users.validate": 2,
    "users.test": 3,
    "models.llama_mob.trajectories": 4,
    "models.llama_mob.batch": 2,
}

ONLY = {  # each arm's own way once; the others differ from these in a number
    "pretraining_control": ("pretrained", "random weights, rate 1e-3", "each tensor shuffled", "digits permuted"),
    "lora_rank": ("LoRA rank=16", "all weights"),
}


def small_base(folder: Path) -> Path:
    """Write a random Llama of 2 layers with a byte-level tokenizer whose digits stand alone; return its folder."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    if (folder / "tokenizer.json").is_file():  # else fits of an earlier rehearsal would not be found again
        return folder
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(MARKS[1]),
    )
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
