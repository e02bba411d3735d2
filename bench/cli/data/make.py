"""bench data make: the synthetic cities as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UserError


def make_command(
    folder: Annotated[Path, typer.Argument(help="Folder for city_A.csv.gz ... city_D.csv.gz.")],
    seed: Annotated[int, typer.Option(help="Seed; another one gives other cities.")] = 0,
    users: Annotated[int, typer.Option(min=1, help="Users per city.")] = 1000,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="KEY=VALUE as in a protocol's data.options, e.g. kinds.C=car, cell_km=1; repeatable."
        ),
    ] = None,
) -> None:
    """Write the synthetic cities as files."""
    from rich.console import Console

    from bench.cli.options import read_settings
    from bench.data.cityfile import CityFile, beside, write_cityfile
    from bench.data.convert import write_points
    from bench.data.sources.synthetic import Synthetic
    from bench.data.world import World

    source = Synthetic(**{"seed": seed, "users": users, **read_settings(overrides or ())})
    console = Console()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for city in source.cities():
            table = source.load(city)
            path = folder / f"city_{city}.csv.gz"
            write_points(path, table)
            if (world := source.world(city)) != World():
                write_cityfile(beside(path), CityFile.of(world))
            line = f"{path}  {len(table.users):,} users, {len(table):,} points"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from None
    console.print(f"use them with --data humob:{folder}", markup=False, highlight=False, soft_wrap=True)
