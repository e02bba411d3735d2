"""What a fit left behind is whole, or it is refused: its weights can be read, are finite and fit the base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bench.errors import UserError

AGAIN = "delete the fit's folder, and it is fitted again"


def weights(path: Path) -> dict[str, Tensor]:
    """Read learned weights. Raises UserError where the file is cut short or holds what is not finite."""
    try:
        learned = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {AGAIN}") from None
    for name, weight in learned.items():
        if not bool(weight.isfinite().all()):
            raise UserError(f"{path}: {name} holds numbers that are not finite; {AGAIN}")
    return learned


def notes(path: Path) -> dict[str, int | float | str]:
    """Read the facts of a fit. Raises UserError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {AGAIN}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: cannot be read (no JSON object); {AGAIN}")
    return found


def check(learned: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise UserError unless every weight that the base and the settings ask for is there in its size, and no other."""
    lacking, over = sorted(wanted.keys() - learned.keys()), sorted(learned.keys() - wanted.keys())
    if lacking:
        raise UserError(f"llama_mob: the fit lacks {lacking[0]}; {AGAIN}")
    if over:
        raise UserError(f"llama_mob: the fit holds {over[0]}, which the base has no place for; {AGAIN}")
    for name, weight in wanted.items():
        is_now, fits = tuple(learned[name].shape), tuple(weight.shape)
        if is_now != fits:
            raise UserError(f"llama_mob: the fit's {name} is of {is_now}, where the base asks for {fits}; {AGAIN}")
