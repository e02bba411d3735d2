"""bench data describe: data sets next to real ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from bench.data.describe import Description

MOST_USERS = 400  # of each city are described: enough for means within a few per cent, and done in seconds
PER_PERSON = {"radius of gyration": "radius of gyration, km"}


def describe_command(
    specs: Annotated[list[str] | None, typer.Argument(help="Sources: synthetic (the default), humob:FOLDER.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic cities; protocols use 1.")] = 1,
) -> None:
    """Describe data sets next to the real cities B and C.

    Kinds of synthetic cities are shown next to their real counterparts.
    """
    from rich.console import Console

    from bench.data.describe import real_cities

    columns = {f"real {city}": figures for city, figures in real_cities().items() if figures.scores}
    for spec in specs or ["synthetic"]:
        columns |= _describe(spec, seed)
    console = Console()
    console.print(figures_table(columns))
    console.print(
        "Real cities: 100 users each of B and C (HuMob 2024). Per person: 25th percentile / median / 75th percentile. "
        "Scores on days 60-74: GEO-BLEU (HuMob 2024) ± two standard errors / GEO-BLEU (GIS Cup 2025) / DTW (true), km."
    )
    if "synthetic" in (specs or ["synthetic"]):
        console.print()
        console.print(figures_table(_kinds(seed)))
        console.print(
            "Kinds of city (data.options.kinds in a protocol), each next to its real counterpart: taxis, owners of GPS "
            "loggers, people who check in. A kind's file says which figures it follows."
        )


def _describe(spec: str, seed: int) -> dict[str, Description]:
    """Describe all cities of one source, with progress on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from bench.data.describe import describe
    from bench.data.sources import open_source
    from bench.running.user_statistics import STATISTICS, statistic_scores

    source = open_source(spec, seed=seed, options={"users": MOST_USERS} if spec == "synthetic" else None)
    found = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for city in progress.track(source.cities(), description=f"describing {spec}"):
            table = source.load(city)
            for note in source.notes(city):
                progress.console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
            if len(table.users) > MOST_USERS:
                step = len(table.users) // MOST_USERS
                table = table.only(table.users[::step][:MOST_USERS])
            scored = {name: statistic_scores(table, name, source.world(city)) for name in STATISTICS}
            found[f"{spec.partition(':')[0]} {city}"] = describe(table, source.world(city), scored)
    return found


def _kinds(seed: int) -> dict[str, Description]:
    """Describe each kind and its real counterpart."""
    from bench.data.describe import describe, real_cities
    from bench.data.sources.synthetic import Synthetic
    from bench.data.sources.synthetic.kinds import kind, kinds

    columns = {}
    for name in kinds():
        source = Synthetic(seed=seed, users=MOST_USERS, kinds={"B": name})
        columns[name] = describe(source.load("B"), source.world("B"), {})
        beside = kind(name).beside
        columns[f"real {beside}"] = real_cities()[beside]
    return columns


def figures_table(columns: dict[str, Description]) -> Table:
    """Return descriptions as a table: a row for each figure, a column for each city."""
    from rich.table import Table

    table = Table("", *columns, box=None, pad_edge=False)
    described = list(columns.values())
    table.add_row("users", *(f"{d.users:,}" for d in described))
    for name in described[0].people:
        rows = (" / ".join(_short(v) for v in d.people[name]) for d in described)
        table.add_row(PER_PERSON.get(name, name), *rows)
    for name in described[0].moves:
        table.add_row(f"moves: {name}", *(f"{d.moves[name]:.1%}" for d in described))
    for name in _all_baselines(described):
        table.add_row(name, *(_scores(d, name) for d in described))
    return table


def _all_baselines(described: Iterable[Description]) -> list[str]:
    return list(dict.fromkeys(name for d in described for name in d.scores))


def _scores(described: Description, name: str) -> str:
    """``0.314 ± 0.021 / 0.200 / 54.3``, or a dash if the baseline or a metric is missing."""
    if "geobleu@humob24" not in described.scores.get(name, {}):
        return "-"
    old, new, dtw, _ = described.scores[name].values()
    error = 2 * described.errors[name]["geobleu@humob24"]
    return f"{old:.3f} ± {error:.3f} / {new:.3f} / {dtw:.1f}"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
