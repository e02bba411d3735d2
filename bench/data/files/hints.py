"""Hints for tables that are legal and yet look as if their file counted otherwise."""

from __future__ import annotations

from bench.data.trajectories import Queries

LAST_OF_75 = 75  # the last day of the challenges' files where days count from 1


def days_from_one(table: Queries, name: str) -> list[str]:
    """Return a hint if days run from 1 to 75: the challenges' 75 days, counted from 1 where 0 is expected."""
    if not len(table) or int(table.d.min()) != 1 or int(table.d.max()) != LAST_OF_75:
        return []
    return [
        f"{name}: days run from 1 to {LAST_OF_75}, so they seem to count from 1, not from 0: every day is read one too "
        "late (weekends too, and 60-74 are the file's 61-75); bench data convert --from-day 1 mends the file"
    ]
