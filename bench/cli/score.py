"""bench score: a file of predictions against a file of the truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError, printable

if TYPE_CHECKING:
    import pandas as pd


def score_command(
    predictions: Annotated[Path, typer.Argument(help="Predicted cells: CSV, CSV.GZ or Parquet with uid,d,t,x,y.")],
    truth: Annotated[Path, typer.Option(help="True cells, in the same format.")],
    days: Annotated[str, typer.Option(help="First and last day to score.")] = "60-74",
    users: Annotated[
        str | None, typer.Option(help="Score only these users: FIRST-LAST, or `predicted` for those in the file.")
    ] = None,
    per_user: Annotated[Path | None, typer.Option(help="Write per-user scores to this CSV.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions against the truth. Four metrics, averaged over users."""
    from rich.console import Console
    from rich.table import Table

    from bench.challenge.score import score_files, summary
    from bench.evaluation import metrics

    frame = score_files(predictions, truth, days, users, _note)
    if per_user is not None:
        _write(frame, per_user)
    scores = summary(frame)
    if json:
        import json as encoder

        shown = {"users": len(frame), "points": int(frame["points"].sum()), "days": days, "scores": scores}
        print(encoder.dumps(shown, indent=1))
        return
    table = Table("metric", "mean", "95 % interval", "median", "", title=f"{len(frame):,} users, days {days}")
    for name, score in scores.items():
        digits = 2 if score["unit"] == "km" else 4
        mean, low, high, median = (
            "" if score[key] is None else f"{score[key]:.{digits}f}" for key in ("mean", "low", "high", "median")
        )
        interval = f"{low} to {high}" if low else "none: one user"
        direction = f"{score['unit']} ({score['better']} is better)".strip()
        table.add_row(metrics.get(name).title, mean, interval, median, direction)
    Console().print(table)


def _note(hint: str) -> None:
    print(f"note: {printable(hint)}", file=sys.stderr)


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Write scores per user as CSV, every digit kept."""
    from bench.files import write_with

    try:
        write_with(path, lambda part: frame.to_csv(part, index=False))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
