"""bench profile: a table of what a model's trajectories cost on this machine."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.options import Overrides, read_settings
from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from bench.adapters.adapter import Adapter
    from bench.profiling.profile import Line, Variant
    from bench.profiling.roofline import Rates
    from bench.report.tables import Table

DECODINGS: dict[str, dict[str, str]] = {
    "free": {"mode": "free"},
    "constrained": {"mode": "constrained"},
    "jump_forward": {"mode": "jump_forward"},
    "speculative-chain": {"mode": "speculative", "draft": "chain"},
    "speculative-tree": {"mode": "speculative", "draft": "tree"},
}
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
    weights: Annotated[str | None, typer.Option(help="random: times of a shape without its weights.")] = None,
    shape: Annotated[str | None, typer.Option(help="With random weights: llama-3-8b, llama-3.2-1b, ...")] = None,
    batch: Annotated[str, typer.Option(help="Users at a time: 1,8,32.")] = "1",
    decoding: Annotated[str | None, typer.Option(help=f"{','.join(DECODINGS)}.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda; auto: a GPU if there is one.")] = "auto",
    source: Annotated[str, typer.Option("--data", help="synthetic or humob:FOLDER.")] = "synthetic",
    city: Annotated[str | None, typer.Option(help="Whose users are asked for; the last one if left out.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Users to ask for; one batch at least.")] = 8,
    to: Annotated[Path | None, typer.Option(help="Write the table there: FILE.csv or FILE.md.")] = None,
) -> None:
    """Measure a model on this machine. Time, passes, tokens and memory per trajectory, beside the least time."""
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
    """Return the lines of the table, and what stands below it."""
    from bench.adapters import registry
    from bench.adapters.adapter import Context
    from bench.data.sources import open_source
    from bench.profiling import profile, roofline
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
    variants = _variants(order, adapter, settings, batches)
    source = open_source(order.data)
    city = order.city or source.cities()[-1]
    if city not in source.cities():
        raise UserError(f"--city: {source.spec} has no city '{city}'{nearest(city, source.cities())}")
    precision = adapter.precision(where.device)
    rates = roofline.rates_of(where.device, machine().gpu, precision)
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
        for variant in variants:
            console.print(f"{variant.name}, {variant.batch} at a time", style="dim", highlight=False)
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


def _variants(order: Order, adapter: Adapter, given: dict[str, Any], batches: Sequence[int]) -> list[Variant]:
    """Return each way of decoding with each batch; a model that does not decode has one way."""
    from bench.adapters import registry
    from bench.profiling.profile import Variant

    names = order.decoding.split(",") if order.decoding else []
    decodes = "decoding" in type(adapter.settings).model_fields
    unknown = [name for name in names if name not in DECODINGS]
    if names and not decodes:
        raise UserError(f"--decoding: {order.model} writes no text")
    if unknown:
        raise UserError(*(f"--decoding: '{name}' is not known{nearest(name, DECODINGS)}" for name in unknown))
    if not decodes:
        return [Variant(order.model, batch, adapter.settings) for batch in batches]
    found = []
    for name in names or [""]:
        for batch in batches:
            decoding = {**given.get("decoding", {}), **DECODINGS.get(name, {}), "batch": batch}
            made = registry.make(order.model, {**given, "decoding": decoding})
            way = "one pass" if getattr(made.settings, "one_pass", False) else made.settings.decoding.mode
            found.append(Variant(name or way, batch, made.settings))
    return found


def show(found: Sequence[Line], notes: Sequence[str], order: Order, console: Console) -> None:
    """Print the table; write it as CSV or Markdown where that is asked."""
    from bench.files import write_text
    from bench.report import markdown, terminal

    table = table_of(order.model, found, notes)
    terminal.print_table(table, console)
    if order.to:
        text = as_csv(found) if order.to.suffix == ".csv" else markdown.render_table(table)
        write_text(order.to, text)
        console.print(f"Written: {order.to}", style="dim", markup=False, highlight=False)


def table_of(model: str, found: Sequence[Line], notes: Sequence[str]) -> Table:
    """Return the table as a reader sees it."""
    from bench.report import numbers
    from bench.report.numbers import NONE
    from bench.report.tables import make_table
    from bench.report.usage_tables import accepted, amount

    columns = [("way", False), ("at a\ntime", True), ("users", True), ("a trajectory", True), ("users/s", True)]
    columns += [("least\ntime", True), ("measured\n/ least", True), ("prefill", True), ("decoding", True)]
    columns += [("passes", True), ("tokens\nread", True), ("\nfed", True), ("accepted", True)]
    columns += [("memory", True), ("GPU\nmemory", True)]
    rows = [
        [
            line.variant.name,
            f"{line.variant.batch}",
            f"{line.users}",
            numbers.seconds(line.per_trajectory),
            numbers.rate(1 / line.per_trajectory),
            numbers.seconds(line.roofline.total) if line.roofline else NONE,
            f"{line.per_trajectory / line.roofline.total:.1f}" if line.roofline else NONE,
            *(numbers.seconds(line.work.get(f"{part}_seconds")) for part in ("prefill", "decode")),
            *(amount(line.work, key) for key in ("forward_passes", "tokens_read", "tokens_fed")),
            numbers.share(accepted(line.work)),
            numbers.memory(line.peak_memory_mb),
            numbers.memory(line.peak_gpu_memory_mb),
        ]
        for line in found
    ]
    return make_table(f"What a trajectory takes: {model}", columns, rows, notes)


def as_csv(found: Sequence[Line]) -> str:
    """Return one row a line, every figure in full."""
    import numpy as np

    works = sorted({key for line in found for key in line.work})
    heads = ["way", "at_a_time", "users", "seconds_a_trajectory", "seconds_a_call_median", "least_prefill_s"]
    heads += ["least_decode_s", "peak_memory_mb", "peak_gpu_memory_mb", *works]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for line in found:
        least = (line.roofline.prefill, line.roofline.decode) if line.roofline else ("", "")
        figures = [line.per_trajectory, float(np.median(line.seconds)), *least, line.peak_memory_mb]
        figures += [line.peak_gpu_memory_mb, *(line.work.get(key) for key in works)]
        shown = ["" if value in (None, "") else f"{value:.6g}" for value in figures]
        writer.writerow([line.variant.name, line.variant.batch, line.users, *shown])
    return text.getvalue()


def _notes(adapter: Adapter, spec: str, city: str, rows: float, rates: Rates, precision: str) -> list[str]:
    from bench.records.provenance import machine

    here = machine()
    facts = adapter.facts()
    notes = [
        f"Hardware: {here.gpu or here.cpu}, {here.cores} cores; {precision}. Data: {spec}, city {city}, "
        f"{rows:,.0f} rows of history a user.",
    ]
    if any(name in facts for name in ("layer_bytes", "layer_parameters")):
        notes.append(
            "Least time: of the passes and tokens taken, weights and cache over "
            f"{rates.bytes / 1e9:,.0f} GB/s or products over {rates.operations / 1e12:,.2g} TFLOP/s ({rates.source})."
        )
    if facts.get("undertrained"):
        notes.append(f"{str(facts['undertrained']).capitalize()}: drafts are accepted as by chance.")
    return notes


def number(text: str, option: str) -> int:
    """Return a number of users. Raises UserError."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise UserError(f"{option}: '{text}' is no number of users; write for example 1,8,32")
    return int(text)
