"""A protocol's model as planning, recording and scoring know it: plain values, read before any data are loaded.

From then on nothing of the adapter runs in this process: what it computes, it computes in a worker.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from bench.adapters import registry
from bench.adapters.adapter import Adapter, LearnsFrom, Needs
from bench.adapters.origin import Tuned
from bench.errors import UserError
from bench.protocol.schema import ModelSpec
from bench.records.provenance import source_hash


@dataclass(frozen=True)
class Model:
    """One model of a protocol with its settings, on one kind of device.

    settings: as a worker gets them; recorded: as records and identities hold them; source: hash of the adapter's files;
    own: whether it is one of this project's; target, folder: where a worker finds an outsider's (registry.add).
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
    own: bool = False
    target: str | None = None
    folder: str | None = None
    wants_poi: bool = False

    @property
    def learns(self) -> bool:
        """Whether it is fitted at all."""
        return self.learns_from != "nothing"


class StandIn(Adapter):
    """Base of what stands in this process for an outsider's adapter (outsiders.py)."""

    @abstractmethod
    def described(self, device: str, hidden: Sequence[Path]) -> Model:
        """Return what the real class says of the model with these settings. Raises UserError."""


def describe(spec: ModelSpec, device: str, hidden: Sequence[Path] = ()) -> Model:
    """Build a model's adapter and read all that is to be known of it. hidden: paths that it may not read for that.

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
    """Read what is to be known of an adapter by itself. Raises UserError."""
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
            wants_poi=bool(adapter.wants_poi()),
            knows_worlds=bool(adapter.knows_worlds),
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"its adapter failed: {type(error).__name__}: {error}") from None
