"""The state of a fit under way, in one safetensors file: its parts always belong together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from bench.errors import UserError
from bench.files import write_with

STATE = "state.safetensors"
Named = Mapping[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """Named weights: as trained, those kept so far (empty: none), their running average (empty: none)."""

    trained: Named
    kept: Named
    average: Named


def save(folder: Path, weights: Weights, optimizer: Optimizer, progress: Mapping[str, Any]) -> None:
    """Write all that is needed to resume."""
    tensors = {
        f"{part}.{name}": tensor.detach().contiguous()
        for part, named in vars(weights).items()
        for name, tensor in named.items()
    }
    plain: dict[str, Any] = {}
    for number, moments in optimizer.state_dict()["state"].items():
        for path, value in _flat(moments):
            (tensors if isinstance(value, Tensor) else plain)[f"moments.{number}.{path}"] = value
    metadata = {"progress": json.dumps(dict(progress)), "plain": json.dumps(plain)}
    write_with(folder / STATE, lambda part: save_file(tensors, part, metadata=metadata))


def progress(folder: Path) -> dict[str, Any]:
    """Return how far a saved fit was; empty if there is none that can be read."""
    found: dict[str, Any] = _metadata(folder).get("progress", {})
    return found


def refuse_another(folder: Path, key: str) -> None:
    """Raise UserError where a folder holds the state of another fit, which training would write over."""
    if (folder / STATE).exists() and progress(folder).get("key") != key:
        raise UserError(f"{folder}: holds another training, or one with other settings; give another folder")


def load(folder: Path, optimizer: Optimizer | None = None) -> Weights:
    """Return the saved weights; the optimizer gets its moments back."""
    parts: dict[str, dict[str, Tensor]] = {"trained": {}, "kept": {}, "average": {}}
    moments: dict[int, dict[str, Any]] = {}
    for key, value in (load_file(folder / STATE) | _metadata(folder)["plain"]).items():
        part, name = key.split(".", 1)
        if part == "moments":
            number, path = name.split(".", 1)
            *outer, last = path.split("/")
            inner = moments.setdefault(int(number), {})
            for step in outer:
                inner = inner.setdefault(step, {})
            inner[last] = value
        else:
            parts[part][name] = value
    if optimizer is not None:
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return Weights(**parts)


@torch.no_grad()
def put(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy values into weights of the same names. Raises UserError where names or shapes differ."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in named.items()} for named in (weights, values)]
    if shapes[0] != shapes[1]:
        raise UserError("the checkpoint is of another network; give another folder")
    for name, weight in weights.items():
        weight.copy_(values[name])


def _flat(moments: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield tensors and numbers of an optimizer's state by their path; 8-bit optimizers keep a dict in a dict."""
    for name, value in moments.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}/")
        else:
            yield f"{above}{name}", value.contiguous() if isinstance(value, Tensor) else value


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        with safe_open(folder / STATE, framework="pt") as file:
            held = file.metadata()
            return {name: json.loads(held[name]) for name in ("progress", "plain")}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}
