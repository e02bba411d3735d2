"""Rotary positions (RoPE) of a base: how its config stretches them, and how many tokens it reads. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import UserError

STRETCHABLE = ("default", "linear")  # a further linear factor means what the base means
READ = (*STRETCHABLE, "llama3", "yarn")  # the angles hang on the position alone, whoever shares a batch
_CONTEXT = 2048  # transformers' default for a config that does not say
_THETA = 10000.0


@dataclass(frozen=True)
class Rope:
    """What positions a base has.

    kind: transformers' rope_type; factor: by which positions are stretched; theta: of the angles; context: tokens that
    the base reads.
    """

    kind: str
    factor: float
    theta: float
    context: int

    def __str__(self) -> str:
        return self.kind if self.kind == "default" else f"{self.kind}, factor {self.factor:g}"

    @property
    def parameters(self) -> dict[str, Any] | None:
        """What transformers is to take in place of the config's own; None where the config's own hold."""
        if self.kind != "linear":
            return None
        return {"rope_type": "linear", "factor": self.factor, "rope_theta": self.theta}


def rope(config: Mapping[str, Any], where: str, factor: float | None = None) -> Rope:
    """Return the positions of a base, stretched further by a linear ``factor``; where: the config's name in errors.

    Linear factors multiply. Raises UserError for a kind that hangs on the text's length, and for a factor on top of
    one that is not linear.
    """
    kind, own, theta, context = _said(config, where)
    if kind not in READ:
        raise UserError(
            f"{where}: rope {kind} is not read (only {', '.join(READ)}): its positions hang on the texts it shares "
            "a batch with; take another base"
        )
    if factor is not None and config.get("layer_types"):
        raise UserError(f"{where}: layers of several kinds have positions of their own; set rope_scaling to null")
    if factor is None:
        return Rope(kind, own, theta, context)
    if kind not in STRETCHABLE:
        raise UserError(
            f"{where}: the base stretches its own positions (rope {kind}, factor {own:g}) and reads {context:,} "
            "tokens; a linear factor on top would spoil them: set rope_scaling to null"
        )
    return Rope("linear", own * factor, theta, round(context * factor))


def _said(config: Mapping[str, Any], where: str) -> tuple[str, float, float, int]:
    """Return kind, factor, theta and context as a config says them, in its old or its new keys."""
    said = config.get("rope_scaling") or config.get("rope_parameters") or {}
    try:
        kind = str(said.get("rope_type") or said.get("type") or "default")
        own = float(said.get("factor") or 1.0)
        theta = float(said.get("rope_theta") or config.get("rope_theta") or _THETA)
        context = int(config.get("max_position_embeddings") or _CONTEXT)
        if kind == "linear" and "rope_type" not in said:
            context = round(context * own)  # with the old key `type`, max_position_embeddings is what it was before
        if not (own > 0 and theta > 0):
            raise ValueError
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: rope_scaling cannot be read ({said!r}); copy or download it again") from None
    return kind, own, theta, context
