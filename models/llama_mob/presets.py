"""Settings that belong together: the published script's, those of a small base, and those of the tiny base."""

from __future__ import annotations

from typing import Any

# HuMob_wandb.py and Inference.py of github.com/TANGHULU6/Llama3-8B-Mob, at commits 20b3d2c and be99513. README.md lists
# what stays different.
PAPER: dict[str, Any] = {
    "base": "meta-llama/Meta-Llama-3-8B-Instruct",
    "quantize": "4bit",
    "rope_scaling": 50000 / 8192,
    "tuning": "lora",
    "rank": 16,
    "alpha": 16,
    "dropout": 0.0,
    "epochs": 3,
    "learning_rate": 2e-3,
    "optimizer": "adamw_8bit",
    "schedule": "cosine_with_restarts",
    "warm_up_steps": 5,
    "weight_decay": 0.01,
    "batch": 1,
    "accumulate": 4,
    "loss": "conversation",
    "mean_over": "pass",
    "validate_every": 100,
    "keep": "best_trained",
    "checkpointing": True,
    "input_noise": 0.0,
    "template_loss_weight": 1.0,
    "instruction": {"answer": "json", "reason": True},
    "decoding": {"mode": "free", "temperature": 0.6, "top_p": 0.9, "batch": 1, "attempts": 3},
}
# For a small base and few people: short prompts, and cells alone learned, those of the history too.
SHORT: dict[str, Any] = {
    "batch": 1,
    "accumulate": 2,
    "history_loss_weight": 0.3,
    "template_loss_weight": 0.0,
    "instruction": {"role": False, "grid": False, "quadruple": False, "example": False, "listed": False},
    "decoding": {"mode": "jump_forward", "choose": "expected_proximity"},
}
PRESETS = {"paper": PAPER, "short": SHORT}
# A network as small as the tiny base repeats itself once it has read true answers, and forgets cells over known tokens.
TINY_DEFAULTS: dict[str, Any] = {"input_noise": 1.0, "template_loss_weight": 0.02}
