"""Weights and the state of training on disk: safetensors and JSON, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from baselines.lp_bert.model import LPBert
from baselines.lp_bert.train import Trainer
from bench.errors import UserError
from bench.files import write_with

STATE = "state.safetensors"


def save_weights(model: LPBert, path: Path) -> None:
    """Write the model's parameters."""
    write_with(path, lambda part: save_file({k: v.contiguous() for k, v in model.state_dict().items()}, part))


def save_state(folder: Path, trainer: Trainer, kept: LPBert, done: dict[str, Any]) -> None:
    """Write all that training needs to go on into one file, so that its parts always belong together."""
    tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    tensors |= {f"kept.{k}": v for k, v in kept.state_dict().items()}
    for i, moments in trainer.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
    metadata = {"done": json.dumps(done)}
    write_with(folder / STATE, lambda part: save_file(tensors, part, metadata=metadata))


def peek(folder: Path) -> dict[str, Any]:
    """Return the counts of a saved state, empty if there is none."""
    if not (folder / STATE).exists():
        return {}
    with safe_open(folder / STATE, framework="pt") as file:
        return json.loads(file.metadata()["done"])


def load_state(folder: Path, trainer: Trainer, kept: LPBert) -> dict[str, Any]:
    """Read what save_state wrote into the trainer and the kept model; return the counts."""
    tensors = load_file(folder / STATE, device=trainer.device)

    def part(prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

    trainer.model.load_state_dict(part("model."))
    kept.load_state_dict(part("kept."))
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in part("optimiser.").items():
        number, name = key.split(".")
        moments.setdefault(int(number), {})[name] = value
    trainer.optimiser.load_state_dict({**trainer.optimiser.state_dict(), "state": moments})
    return peek(folder)


def load_weights(model: LPBert, path: Path) -> None:
    """Read parameters into the model; its city embedding, which no shipped weights hold, keeps its start."""
    tensors = {name: value.float() for name, value in load_file(path).items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if unexpected or set(missing) - {"city.weight"}:
        raise UserError(f"{path}: these are no weights of this network; take those that its save wrote")
