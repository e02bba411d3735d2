"""The state of a fit under way in one file, safetensors: learned weights, the best so far, moments and counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from bench.files import write_with

STATE = "state.safetensors"
Named = Mapping[str, Tensor]


def save(folder: Path, weights: Named, best: Named, optimiser: Optimizer, done: Mapping[str, Any]) -> None:
    """Write all that is needed to go on; its parts always belong together."""
    tensors = {f"weights.{name}": tensor.detach().contiguous() for name, tensor in weights.items()}
    tensors |= {f"best.{name}": tensor.contiguous() for name, tensor in best.items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"moments.{number}.{name}": tensor for name, tensor in moments.items()}
    metadata = {"done": json.dumps(dict(done))}
    write_with(folder / STATE, lambda part: save_file(tensors, part, metadata=metadata))


def counts(folder: Path) -> dict[str, Any]:
    """Return the counts of a saved state; empty if there is none that can be read."""
    try:
        with safe_open(folder / STATE, framework="pt") as file:
            found: dict[str, Any] = json.loads(file.metadata()["done"])
            return found
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}


def load(folder: Path, optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the saved weights and the best ones; the optimiser gets its moments back."""
    tensors = load_file(folder / STATE)
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}}
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        if kind == "moments":
            number, name = name.split(".")
            moments.setdefault(int(number), {})[name] = tensor
        else:
            parts[kind][name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
    return parts["weights"], parts["best"]
