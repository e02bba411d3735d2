"""bench profile: what a model costs per trajectory on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.options import Overrides, number, read_settings
from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from bench.adapters.adapter import Adapter
    from bench.profiling.profile import Line
    from bench.profiling.roofline import Rates

DECODINGS = "free, constrained, jump_forward, speculative-chain, speculative-tree"  # as profiling/variants.py has them
TRAINERS = 20  # users that a model which learns is fitted on: its answers are not looked at
SUFFIXES = (".csv", ".md")


@dataclass(frozen=True)
class Order:
    """What the command line asked for."""

    model: str
    overrides: tuple[str, ...] = ()
    weights: str | None = None
    shape: str | None = None
    batch: str = "1"
    decoding: str | None = None
    device: str = "auto"
    data: str = "synthetic"
    city: str | None = None
    users: int = 8
    to: Path | None = None


def profile_command(
    model: Annotated[str, typer.Argument(help="A model, e.g. llama_mob.")],
    overrides: Overrides = None,
    weights: Annotated[str | None, typer.Option(help="random: time a shape without its real weights.")] = None,
    shape: Annotated[str | None, typer.Option(help="Shape of the random weights, e.g. llama-3-8b.")] = None,
    batch: Annotated[str, typer.Option(help="Batch sizes, e.g. 1,8,32.")] = "1",
    decoding: Annotated[str | None, typer.Option(help=f"Ways of decoding, comma-separated: {DECODINGS}.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")] = "auto",
    source: Annotated[str, typer.Option("--data", help="Data: synthetic or humob:FOLDER.")] = "synthetic",
    city: Annotated[str | None, typer.Option(help="City whose users are predicted; default: the last one.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Users to predict; at least one batch.")] = 8,
    to: Annotated[Path | None, typer.Option(help="Write the table to FILE.csv or FILE.md.")] = None,
) -> None:
    """Profile a model on this machine. Time, passes, tokens and memory per trajectory, beside the roofline."""
    from rich.console import Console

    order = Order(
        model=model,
        overrides=tuple(overrides or ()),
        weights=weights,
        shape=shape,
        batch=batch,
        decoding=decoding,
        device=device,
        data=source,
        city=city,
        users=users,
        to=to,
    )
    if order.to and order.to.suffix not in SUFFIXES:
        raise UserError(f"--to {order.to}: the ending must be {' or '.join(SUFFIXES)}")
    found, notes = measure(order, Console(stderr=True))
    show(found, notes, order, Console())


def measure(order: Order, console: Console) -> tuple[list[Line], list[str]]:
    """Return the lines of the table and its notes."""
    from bench.adapters import registry
    from bench.adapters.adapter import Context
    from bench.data.sources import open_source
    from bench.profiling import profile, roofline
    from bench.profiling.variants import variants
    from bench.records.provenance import machine
    from bench.running.hardware import detect, lacking

    where = detect(1, order.device)
    if where.device == "cuda" and not machine().gpu:
        raise UserError("--device cuda: this machine has no GPU")
    settings = settings_of(order)
    batches = [number(text, "--batch") for text in order.batch.split(",")]
    adapter = registry.make(order.model, settings)
    if reason := lacking(adapter.needs, where.device):
        raise UserError(f"{order.model}: {reason}")
    asked_ways = variants(adapter, settings, order.decoding.split(",") if order.decoding else (), batches)
    source = open_source(order.data)
    city = order.city or source.cities()[-1]
    if city not in source.cities():
        raise UserError(f"--city: {source.spec} has no city '{city}'{nearest(city, source.cities())}")
    precision = adapter.precision(where.device)
    rates = cache(partial(roofline.rates_of, where.device, machine().gpu, precision))
    with tempfile.TemporaryDirectory() as folder:
        ctx = Context(
            grid=source.world(city).grid,
            calendar=source.world(city).calendar,
            device=where.device,
            threads=where.threads,
            folder=Path(folder),
        )
        asked = profile.people(source.load(city), ctx, max(order.users, *batches), TRAINERS)
        if adapter.learns_from != "nothing":
            console.print(f"fitting {order.model} on {len(asked.train.users)} users", style="dim")
            adapter.fit(asked.train, None, ctx)
        found = []
        for variant in asked_ways:
            console.print(f"{variant.name}, batch of {variant.batch}", style="dim", highlight=False)
            found.append(profile.measure(adapter, asked, variant, order.users, ctx, rates))
    return found, _notes(adapter, source.spec, city, len(asked.history) / len(asked.history.users), rates, precision)


def settings_of(order: Order) -> dict[str, Any]:
    """Return the settings that --set, --weights and --shape give. Raises UserError with every fault."""
    from bench.adapters import registry

    known = registry.get(order.model).Settings.model_fields
    settings: dict[str, Any] = {}
    faults: list[str] = []
    for name in ("weights", "shape"):
        if (given := getattr(order, name)) is None:
            continue
        if name in known:
            settings[name] = given
        else:
            faults.append(f"--{name}: {order.model} has no such setting")
    if settings.get("weights") == "random" and "tuning" in known:
        settings["tuning"] = "none"  # what is learned changes no time
    try:
        settings |= read_settings(order.overrides)
    except UserError as error:
        faults += error.messages
    if faults:
        raise UserError(*faults)
    return settings


def show(found: Sequence[Line], notes: Sequence[str], order: Order, console: Console) -> None:
    """Print the table; write it as CSV or Markdown if asked."""
    from bench.files import write_text
    from bench.profiling.table import as_csv, table_of
    from bench.report import markdown, terminal

    table = table_of(order.model, found, notes)
    terminal.print_table(table, console)
    if order.to:
        text = as_csv(found) if order.to.suffix == ".csv" else markdown.render_table(table)
        write_text(order.to, text)
        console.print(f"Written: {order.to}", style="dim", markup=False, highlight=False)


def _notes(
    adapter: Adapter, spec: str, city: str, rows: float, rates: Callable[[], Rates], precision: str
) -> list[str]:
    from bench.records.provenance import machine

    here = machine()
    facts = adapter.facts()
    notes = [
        f"Hardware: {here.gpu or here.cpu}, {here.cores} cores; {precision}. Data: {spec}, city {city}, "
        f"{rows:,.0f} history rows per user.",
    ]
    if any(name in facts for name in ("layer_bytes", "layer_parameters")):
        notes.append(f"Roofline: the least time for these passes and tokens, weights and cache at {rates()}.")
    if facts.get("undertrained"):
        notes.append(f"{facts['undertrained']}: drafts are accepted by chance alone.")
    return notes
