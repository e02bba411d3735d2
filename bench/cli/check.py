"""bench check PROTOCOL: what it would run, or all its faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import Data, Overrides, Scale
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.protocol.schema import Protocol, SplitSpec


def check_command(
    file: Annotated[
        Path | None, typer.Argument(help="A protocol (YAML file or name), or a challenge submission (CSV).")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="A model to check instead: its name, module:Class or FILE.py:Class.")
    ] = None,
    challenge: Annotated[str | None, typer.Option(help="Rules to check: humob2023, humob2024 or giscup2025.")] = None,
    city: Annotated[str | None, typer.Option(help="City of the submission.")] = None,
    data: Data = None,
    scale: Scale = None,
    overrides: Overrides = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the protocol with all its defaults.")] = False,
) -> int:
    """Check a protocol, a model or a submission. Reports all faults at once, and exits with 2 if there are any."""
    if (file is None) == (adapter is None):
        raise UserError("check: give a protocol, a submission, or a model (--adapter module:Class)")
    if adapter is not None:
        return check_adapter(adapter, overrides or ())
    assert file is not None
    if challenge is not None or city is not None or file.suffix not in {".yaml", ".yml", ""}:
        from bench.cli.submission import check_submission_file

        return check_submission_file(file, challenge, city, data)
    if resolved:
        print_resolved(file, scale, overrides or (), data)
    else:
        check_protocol(file, scale, overrides or (), data)
    return 0


def check_protocol(path: Path, scale: str | None, overrides: Sequence[str], data: str | None) -> None:
    """Print splits, models and the number of cases and fits. Raises UserError with all faults."""
    from bench.protocol import reading

    wanted = reading.load(path, scale=scale, overrides=overrides, data=data)
    here = _cities(wanted, given=data is not None)
    print(f"{wanted.name} (version {wanted.version}, scale {wanted.scale}): {wanted.about}")
    print(f"data     {wanted.data.source}" + ("" if here is not None else " (not found: say where with --data)"))
    print(f"metrics  ranked by {wanted.metrics.main}; also {', '.join(wanted.metrics.also) or 'none'}")
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
    if reading.is_study(path):
        _check_study(path, scale, overrides, data)


def print_resolved(path: Path, scale: str | None, overrides: Sequence[str], data: str | None) -> None:
    """Print a protocol as equivalent YAML with every default. Raises UserError with all faults."""
    import yaml

    from bench.protocol import reading
    from bench.protocol.resolved import resolved

    read = reading.load(path, scale=scale, overrides=overrides, data=data)
    root, _ = reading.document(path, scale=scale, overrides=overrides, data=data, add=())
    content = resolved(read, root)
    print(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True), end="")


def check_adapter(target: str, overrides: Sequence[str]) -> int:
    """Run the conformance suite on a model and say which promises it breaks; return 0 if none, else 2."""
    from bench.adapters import registry
    from bench.adapters.conformance import conform
    from bench.cli.options import read_settings
    from bench.running.hardware import lacking

    name = registry.add(target) if ":" in target else target
    settings = read_settings(overrides)
    made = registry.make(name, settings)
    if reason := lacking(made.needs, made.device):
        raise UserError(f"{name}: {reason}")
    broken = 0
    for outcome in conform(type(made), settings):
        print(f"kept    {outcome.promise}" if outcome.broken is None else f"BROKEN  {outcome.promise}", flush=True)
        if outcome.broken is not None:
            broken += 1
            print(f"        {outcome.broken}", flush=True)
    print(f"{name}: {f'{broken} promise(s) broken' if broken else 'keeps every promise'}")
    return 2 if broken else 0


def _check_study(path: Path, scale: str | None, overrides: Sequence[str], data: str | None) -> None:
    """Print how many trials a study file asks for."""
    from bench.study.spec import reading

    for study in reading.load(path, scale=scale, overrides=overrides, data=data):
        sought = ", ".join(f"{direction} {name}" for name, direction in study.spec.objectives.items())
        space = ", ".join(axis.name for axis in study.axes)
        print(f"study    {study.model}: {study.total} trials over {space}; {sought}; {study.spec.sampler.name}")


def counts(protocol: Protocol) -> tuple[int, int]:
    """Return the greatest number of cases and fits of a protocol; equal ones are done once."""
    from bench.adapters import registry

    tests = sum(len(split.test) for split in protocol.splits)
    per_model = {"nothing": 0, "train users": len(protocol.splits), "test histories": tests}
    fits = sum(per_model[registry.get(model.use).learns_from] for model in protocol.models)
    return tests * len(protocol.models) * len(protocol.seeds), fits * len(protocol.seeds)


def _cities(protocol: Protocol, *, given: bool) -> tuple[str, ...] | None:
    """Return the cities in the data; None if a folder named in the file is absent."""
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
