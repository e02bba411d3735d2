"""A protocol's model as planning, recording and scoring see it: plain values, read before any data are loaded.

After that the adapter's code runs in workers only, never in this process.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from bench.adapters import registry
from bench.adapters.adapter import Adapter, LearnsFrom, Needs
from bench.adapters.origin import Tuned
from bench.errors import UserError
from bench.protocol.schema import ModelSpec
from bench.records.provenance import source_hash

Gives = Literal["nothing", "each by itself", "in context"]


@dataclass(frozen=True)
class Model:
    """One model of a protocol with its settings, on one kind of device.

    settings: as a worker gets them; recorded: as records and identities hold them; source: hash of the adapter's files;
    gives: whether it gives probabilities, and whether they depend on the cells before; own: whether it belongs to this
    project; target, folder: where a worker finds an outsider's (registry.add); shipped: a folder of its fits, by
    identity.
    """

    name: str
    adapter: str
    version: int
    settings: Mapping[str, Any]
    recorded: Mapping[str, Any]
    predicts_with: tuple[str, ...]
    learns_from: LearnsFrom
    seen: tuple[str, ...]
    tuned: tuple[Tuned, ...]
    precision: str
    batch_users: int
    needs: Needs
    source: str
    knows_worlds: bool = False
    gives: Gives = "nothing"
    own: bool = False
    target: str | None = None
    folder: str | None = None
    wants_poi: bool = False
    shipped: Path | None = None

    @property
    def learns(self) -> bool:
        """Whether it is fitted at all."""
        return self.learns_from != "nothing"


class StandIn(Adapter):
    """Base of stand-ins for outsiders' adapters in this process (outsiders.py)."""

    @abstractmethod
    def described(self, device: str, hidden: Sequence[Path]) -> Model:
        """Return the real class's description of the model with these settings. Raises UserError."""


def describe(spec: ModelSpec, device: str, hidden: Sequence[Path] = ()) -> Model:
    """Build a model's adapter and describe it. hidden: paths that it may not read meanwhile.

    Raises UserError.
    """
    adapter = registry.make(spec.use, dict(spec.settings))
    try:
        if isinstance(adapter, StandIn):
            return replace(adapter.described(device, hidden), name=spec.name, own=False)
        found = of_adapter(adapter, device)
    except UserError as error:
        raise UserError(*(f"models.{spec.name}: {line}" for line in error.messages)) from None
    target, folder = registry.target_of(spec.use), registry.folder_of(spec.use)
    return replace(found, name=spec.name, own=registry.is_own(spec.use), target=target, folder=folder)


def of_adapter(adapter: Adapter, device: str) -> Model:
    """Describe an adapter. Raises UserError."""
    adapter.device = device
    if adapter.learns_from not in get_args(LearnsFrom):
        raise UserError(f"learns_from is {adapter.learns_from!r}, not one of {', '.join(get_args(LearnsFrom))}")
    try:
        return Model(
            name=adapter.name,
            adapter=adapter.name,
            version=int(adapter.version),
            settings=adapter.settings.model_dump(mode="json"),
            recorded=adapter.settings.recorded(),
            predicts_with=tuple(sorted(adapter.settings.predicts_with)),
            learns_from=adapter.learns_from,
            seen=tuple(str(city) for city in adapter.seen()),
            tuned=tuple(Tuned.model_validate(part) for part in adapter.tuned()),
            precision=str(adapter.precision(device)),
            batch_users=int(adapter.batch_users),
            needs=adapter.needs,
            source=source_hash(type(adapter)),
            knows_worlds=bool(adapter.knows_worlds),
            gives=_gives(adapter),
            wants_poi=bool(adapter.wants_poi()),
            shipped=adapter.shipped,
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"its adapter failed: {type(error).__name__}: {error}") from None


def _gives(adapter: Adapter) -> Gives:
    if type(adapter).probabilities is Adapter.probabilities:
        return "nothing"
    return "in context" if adapter.in_context else "each by itself"
