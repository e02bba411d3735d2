"""bench show: a record, or a user's days, with a model's answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from bench.report.trajectory import Said

SHOWN_DAYS = 21  # of the end, where none are named
SOME_USERS = 5


def show_command(
    record: Annotated[Path | None, typer.Argument(help="A record, e.g. runs/zero_shot/records/ID.json.")] = None,
    source: Annotated[
        str, typer.Option("--data", help="Data that hold the user: synthetic or humob:FOLDER.")
    ] = "synthetic",
    user: Annotated[str | None, typer.Option(help="CITY:UID of a user to show.")] = None,
    days: Annotated[str | None, typer.Option(help="First and last day, e.g. 53-66.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Answers (Parquet) to show next to the truth.")] = None,
    grid: Annotated[bool, typer.Option("--map", help="Also draw the days on the grid.")] = False,
) -> None:
    """Show a record, or a user's trajectory."""
    from rich.console import Console

    if (record is None) == (user is None):
        raise UserError("show: give a record file, or a user with --user CITY:UID")
    if record is not None:
        show_record(record, Console())
        return
    city, _, uid = str(user).rpartition(":")
    if not city or not uid.isdecimal():
        raise UserError(f"--user: '{user}' is not CITY:UID; write e.g. B:17600")
    show_trajectory(source, city, int(uid), _span(days), answers, Console(), grid=grid)


def show_record(path: Path, console: Console) -> None:
    """Print one record. Raises UserError if the file is not a record."""
    from bench.records import record as records
    from bench.report import recordview, terminal

    try:
        found = records.read(path)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; records are in RUN/records/") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is not a record ({str(error).splitlines()[0]})") from None
    for table in recordview.tables(found):
        terminal.print_table(table, console)


def show_trajectory(
    spec: str,
    city: str,
    uid: int,
    days: tuple[int, int] | None,
    answers: Path | None,
    console: Console,
    *,
    grid: bool = False,
) -> None:
    """Print a user's days, with the answers of a Parquet file (city, uid, d, t, x, y, status) if one is given.

    spec: synthetic, synthetic:SEED or humob:FOLDER. days: first and last; by default the last three weeks. grid:
    also draw the days on the grid. Raises UserError.
    """
    from bench.data.sources import open_source
    from bench.report import daymap
    from bench.report.trajectory import view

    kind, _, rest = spec.partition(":")
    seeded = kind == "synthetic" and rest.isdecimal()
    opened = open_source(kind, seed=int(rest)) if seeded else open_source(spec)
    if city not in opened.cities():
        raise UserError(f"--user: {opened.spec} has no city '{city}'{nearest(city, opened.cities())}")
    table = opened.load(city)
    user = table.of((city, uid))
    if not len(user):
        some = ", ".join(f"{c}:{u}" for c, u in table.users[:SOME_USERS])
        raise UserError(f"--user: city {city} has no user {uid}; it has, for example, {some}")
    last = int(user.d[-1])
    chosen = days or (max(int(user.d[0]), last - SHOWN_DAYS + 1), last)
    said = _answers(answers, city, uid) if answers else None
    drawn = daymap.draw(user, opened.world(city), chosen, console.width, said) if grid else []
    for line in (*drawn, *view(user, opened.world(city), chosen, console.width, said)):
        console.print(line, overflow="ignore", no_wrap=True)


def _span(days: str | None) -> tuple[int, int] | None:
    if days is None:
        return None
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", days)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UserError(f"--days: '{days}' is not a first and last day; write e.g. 53-66")
    return first, last


def _answers(path: Path, city: str, uid: int) -> Said:
    """Read one user's answers. Raises UserError if the file has none or holds no answers."""
    import pandas as pd

    from bench.data.trajectories import Trajectories
    from bench.report.trajectory import Said

    try:
        frame = pd.read_parquet(path, columns=["city", "uid", "d", "t", "x", "y", "status"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: cannot be read as answers ({str(error).splitlines()[0]})") from None
    frame = frame[(frame["city"].astype(str) == city) & (frame["uid"] == uid)].sort_values(["d", "t"])
    if frame.empty:
        raise UserError(f"{path}: holds no answers for user {uid} of city {city}")
    return Said(Trajectories.from_frame(frame, city), frame["status"].to_numpy())
