"""bench data fetch: a data set's files from the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fetch_command(
    name: Annotated[str, typer.Argument(help="humob2023, humob2024, humob2024-truth, massive-steps-CITY, zenodo:ID.")],
    folder: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="Download from this address instead.")] = None,
) -> None:
    """Download a data set. Resumes, and verifies checksums."""
    from rich.console import Console

    from bench.cli.downloads import Bar
    from bench.data.files.fetch import fetch

    console = Console(stderr=True)
    with Bar(console) as bar:
        paths = fetch(name, folder, url, bar)
    out = Console()
    for path in paths:
        out.print(f"{path}  {path.stat().st_size:,} bytes", markup=False, highlight=False, soft_wrap=True)
    use = (
        f"use it with --data humob:{folder}"
        if name.startswith("humob")
        else "make a city of it with bench data convert"
    )
    out.print(f"all checksums match; {use}", markup=False, highlight=False, soft_wrap=True)
