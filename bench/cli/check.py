"""bench check PROTOCOL: what it would run, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.protocol.schema import Protocol, SplitSpec


def check_protocol(path: Path, scale: str | None, overrides: Sequence[str], data: str | None) -> None:
    """Print splits, models and the number of cases and fits. Raises UserError with all faults."""
    from bench.protocol import protocol

    wanted = protocol.load(path, scale=scale, overrides=overrides, data=data)
    here = _cities(wanted, given=data is not None)
    print(f"{wanted.name} (version {wanted.version}, scale {wanted.scale}): {wanted.about}")
    print(f"data     {wanted.data.source}" + ("" if here is not None else " (not here yet: give --data)"))
    print(f"metrics  {wanted.metrics.main} ranks; {', '.join(wanted.metrics.also) or 'no others'}")
    for split in wanted.splits:
        print(f"split    {_split_line(split, here)}")
    for model in wanted.models:
        settings = ", ".join(f"{key}={value}" for key, value in model.settings.items())
        print(
            f"model    {model.name}"
            + (f" ({model.use}: {settings or 'defaults'})" if settings or model.name != model.use else "")
        )
    cases, fits = counts(wanted)
    print(f"cases    at most {cases}, with at most {fits} fits (seeds {', '.join(map(str, wanted.seeds))})")
    for note in wanted.notes:
        print(f"note     {note}")
    if protocol.is_study(path):
        _check_study(path, scale, overrides, data)


def _check_study(path: Path, scale: str | None, overrides: Sequence[str], data: str | None) -> None:
    """Print how many trials a study file asks for."""
    from bench.study.spec import reading

    for study in reading.load(path, scale=scale, overrides=overrides, data=data):
        sought = ", ".join(f"{direction} {name}" for name, direction in study.spec.objectives.items())
        space = ", ".join(axis.name for axis in study.axes)
        print(f"study    {study.model}: {study.total} trials over {space}; {sought}; {study.spec.sampler.name}")


def counts(protocol: Protocol) -> tuple[int, int]:
    """Return how many cases and fits a protocol has at most: those that ask the same are done once."""
    from bench.adapters import registry

    tests = sum(len(split.test) for split in protocol.splits)
    per_model = {"nothing": 0, "train users": len(protocol.splits), "test histories": tests}
    fits = sum(per_model[registry.get(model.use).learns_from] for model in protocol.models)
    return tests * len(protocol.models) * len(protocol.seeds), fits * len(protocol.seeds)


def _cities(protocol: Protocol, *, given: bool) -> tuple[str, ...] | None:
    """Return the cities that the data have; None where a folder that only the file names is absent."""
    from bench.data.sources import open_source

    try:
        wanted = protocol.data
        return open_source(wanted.source, seed=wanted.seed, options=dict(wanted.options)).cities()
    except UserError:
        if given or protocol.data.source == "synthetic":
            raise
        return None


def _split_line(split: SplitSpec, here: tuple[str, ...] | None) -> str:
    who, window = split.users, split.window
    shares = "".join(f", {share:.3g} of {city}'s" for city, share in split.train.shares.items())
    days = f"train on days {split.train.days[0]}-{split.train.days[1]}"
    asked = f"history {window.history[0]}-{window.history[1]}, horizon {window.horizon[0]}-{window.horizon[1]}"
    users = f"users {who.train} / {who.validate_} / {who.test} (train{shares} / validate / test)"
    lacking = [
        city for city in dict.fromkeys((*split.train.cities, *split.test)) if here is not None and city not in here
    ]
    skipped = f"; cases with {', '.join(lacking)} are skipped: not in the data" if lacking else ""
    return f"{split.label}: {users}, {days}, {asked}{skipped}"
