"""A protocol's model as planning, recording and scoring know it: plain values, read before any data are loaded.

From then on nothing of the adapter runs in this process: what it computes, it computes in a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from bench.adapters import registry
from bench.adapters.adapter import LearnsFrom, Needs
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
    precision: str
    batch_users: int
    needs: Needs
    source: str
    own: bool
    target: str | None = None
    folder: str | None = None

    @property
    def learns(self) -> bool:
        """Whether it is fitted at all."""
        return self.learns_from != "nothing"


def describe(spec: ModelSpec, device: str) -> Model:
    """Build a model's adapter and read all that is to be known of it. Raises UserError."""
    adapter = registry.make(spec.use, dict(spec.settings))
    adapter.device = device
    try:
        if adapter.learns_from not in get_args(LearnsFrom):
            raise UserError(f"learns_from is {adapter.learns_from!r}, not one of {', '.join(get_args(LearnsFrom))}")
        return Model(
            name=spec.name,
            adapter=adapter.name,
            version=int(adapter.version),
            settings=adapter.settings.model_dump(mode="json"),
            recorded=adapter.settings.recorded(),
            predicts_with=tuple(sorted(adapter.settings.predicts_with)),
            learns_from=adapter.learns_from,
            seen=tuple(str(city) for city in adapter.seen()),
            precision=str(adapter.precision(device)),
            batch_users=int(adapter.batch_users),
            needs=adapter.needs,
            source=source_hash(type(adapter)),
            own=registry.is_own(spec.use),
            target=registry.target_of(spec.use),
            folder=registry.folder_of(spec.use),
        )
    except UserError as error:
        raise UserError(*(f"models.{spec.name}: {line}" for line in error.messages)) from None
    except Exception as error:
        raise UserError(f"models.{spec.name}: its adapter failed: {type(error).__name__}: {error}") from None
