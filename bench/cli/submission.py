"""bench check FILE --challenge NAME: a submission against the challenge's rules."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UserError

MOST_LINES = 50


def check_submission_file(file: Path, challenge: str | None, city: str | None, data: str | None) -> int:
    """Check a submission against a challenge's rules and print its faults; return 0 if there are none, else 2."""
    from rich.console import Console

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
        compared = "" if data else " (give --data to check that these are the points asked for)"
        console.print(f"{file}: keeps the rules of {challenge}, city {city}{compared}", markup=False)
        return 0
    rest = f"; {len(faults) - MOST_LINES:,} more are not shown" if len(faults) > MOST_LINES else ""
    console.print(f"{file}: {len(faults):,} fault{'s' if len(faults) > 1 else ''}{rest}", markup=False)
    return 2
