"""bench score, bench check --challenge, bench reproduce: what challenge teams use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 50


def score_command(
    predictions: Path, truth: Path, days: str, users: str | None, per_user: Path | None, json: bool
) -> None:
    """Score a file against the truth and print the four main figures; raises UserError if the rows differ."""
    from bench.challenge.score import score_files, summary
    from bench.evaluation import metrics

    frame = score_files(predictions, truth, days, users)
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


def check_submission_command(file: Path, challenge: str | None, city: str | None, data: str | None) -> int:
    """Check a submission against a challenge's rules and print its faults; return 0 if there are none, else 2."""
    from bench.challenge.submission import asked_points, check_submission
    from bench.data.sources.challenges import CHALLENGES

    if challenge is None or city is None:
        known = f"--challenge {', '.join(CHALLENGES)}"
        raise UserError(f"{file}: say which rules it must keep: {known}, and --city")
    faults = check_submission(file, challenge, city, asked_points(challenge, city, data) if data else None)
    console = Console(highlight=False, soft_wrap=True)
    for fault in faults[:MOST_LINES]:
        console.print(fault, markup=False)
    if not faults:
        compared = "" if data else " (without --data nobody can tell whether these are the points asked for)"
        console.print(f"{file}: keeps the rules of {challenge}, city {city}{compared}", markup=False)
        return 0
    rest = f"; {len(faults) - MOST_LINES:,} more are not shown" if len(faults) > MOST_LINES else ""
    console.print(f"{file}: {len(faults):,} fault{'s' if len(faults) > 1 else ''}{rest}", markup=False)
    return 2


def reproduce_command(name: str, folder: Path, url: str | None) -> int:
    """Score a published submission again and compare with the official figures; return 0 if they agree, else 1."""
    from bench.challenge.reproduce import reproduce
    from bench.cli.data_files import Bar
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


def _write(frame: pd.DataFrame, path: Path) -> None:
    """Write scores per user as CSV, every digit kept."""
    from bench.files import write_with

    try:
        write_with(path, lambda part: frame.to_csv(part, index=False))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
