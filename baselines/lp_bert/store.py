"""The network's weights on disk: safetensors, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file

from baselines.lp_bert.model import LPBert
from bench.errors import UserError
from bench.files import write_with


def save_weights(model: LPBert, path: Path) -> None:
    """Write the model's parameters."""
    write_with(path, lambda part: save_file({k: v.contiguous() for k, v in model.state_dict().items()}, part))


def load_weights(model: LPBert, path: Path) -> None:
    """Read parameters into the model; its city embedding, which no shipped weights hold, keeps its start."""
    tensors = {name: value.float() for name, value in load_file(path).items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if unexpected or set(missing) - {"city.weight"}:
        raise UserError(f"{path}: these are not weights of this network; use those that its save wrote")
