"""bench reproduce: the published submission, scored again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce_command(
    name: Annotated[str, typer.Argument(help="humob2024: the seed paper's published submission.")],
    folder: Annotated[Path, typer.Option(help="Folder for downloads.")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="Download from this address instead.")] = None,
) -> int:
    """Score the published submission again. Exits with 1 unless the official scores come out."""
    from rich.console import Console
    from rich.table import Table

    from bench.challenge.reproduce import reproduce
    from bench.cli.downloads import Bar
    from bench.evaluation import metrics

    console = Console(highlight=False)
    with Bar(Console(stderr=True)) as bar:
        rows = reproduce(name, folder, url, bar)
    table = Table("city", "users", "metric", "measured", "published", "agrees", title=f"reproduce {name}")
    for row in rows:
        digits = row.digits
        agrees = "yes" if row.agrees else "NO"
        name, figures = (
            metrics.get(row.metric).title,
            (f"{value:.{digits}f}" for value in (row.measured, row.published)),
        )
        table.add_row(row.city, f"{row.users:,}", name, *figures, agrees)
    console.print(table)
    return 0 if all(row.agrees for row in rows) else 1
