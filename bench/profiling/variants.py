"""How a model is profiled: each way of decoding with each batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.adapters import registry
from bench.adapters.adapter import Adapter
from bench.errors import UserError, nearest
from bench.profiling.profile import Variant

DECODINGS: dict[str, dict[str, str]] = {
    "free": {"mode": "free"},
    "constrained": {"mode": "constrained"},
    "jump_forward": {"mode": "jump_forward"},
    "speculative-chain": {"mode": "speculative", "draft": "chain"},
    "speculative-tree": {"mode": "speculative", "draft": "tree"},
}


def variants(
    adapter: Adapter, given: Mapping[str, Any], decodings: Sequence[str], batches: Sequence[int]
) -> list[Variant]:
    """Return each way of decoding with each batch size; a model that does not decode has one way.

    given: the model's settings as the user wrote them. Raises UserError.
    """
    decodes = "decoding" in type(adapter.settings).model_fields
    unknown = [name for name in decodings if name not in DECODINGS]
    if decodings and not decodes:
        raise UserError(f"--decoding: {adapter.name} writes no text")
    if unknown:
        raise UserError(*(f"--decoding: '{name}' is not known{nearest(name, DECODINGS)}" for name in unknown))
    if not decodes:
        return [Variant(adapter.name, batch, adapter.settings) for batch in batches]
    found = []
    for name in decodings or [""]:
        for batch in batches:
            decoding = {**given.get("decoding", {}), **DECODINGS.get(name, {}), "batch": batch}
            made = registry.make(adapter.name, {**given, "decoding": decoding})
            way = "one pass" if getattr(made.settings, "one_pass", False) else made.settings.decoding.mode
            found.append(Variant(name or way, batch, made.settings))
    return found
