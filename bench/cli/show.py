"""bench show: a record, or a user's days, with a model's answers, or those of a run's models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.console import Console

    from bench.records.manifest import RunContent
    from bench.records.record import Record
    from bench.report.trajectory import Said

SHOWN_DAYS = 21  # of the end, where none are named
SOME_USERS = 5
BEST = 3  # models of a run, where none is named


def show_command(
    record: Annotated[
        Path | None,
        typer.Argument(help="A record, e.g. runs/zero_shot/records/ID.json, or a run's folder with --user."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--data", help="Data that hold the user: synthetic or humob:FOLDER.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="CITY:UID of a user to show.")] = None,
    days: Annotated[str | None, typer.Option(help="First and last day, e.g. 53-66.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Answers (Parquet) to show next to the truth.")] = None,
    grid: Annotated[bool, typer.Option("--map", help="Also draw the days on the grid.")] = False,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Of a run: whose answers; the best three where none is named.")
    ] = None,
) -> None:
    """Show a record, or a user's days with answers."""
    from rich.console import Console

    of_run = record is not None and record.is_dir()
    if (record is None or of_run) != (user is not None):
        raise UserError("show: give a record file, a user with --user CITY:UID, or a run's folder and its --user")
    if record is not None and not of_run:
        show_record(record, Console())
        return
    city, _, uid = str(user).rpartition(":")
    if not city or not uid.isdecimal():
        raise UserError(f"--user: '{user}' is not CITY:UID; write e.g. B:17600")
    if record is not None:
        show_answers(record, (city, int(uid)), models or (), source, _span(days), Console(), grid=grid)
    else:
        show_trajectory(source or "synthetic", city, int(uid), _span(days), answers, Console(), grid=grid)


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


def show_answers(
    folder: Path,
    user: tuple[str, int],
    models: Sequence[str],
    data: str | None,
    days: tuple[int, int] | None,
    console: Console,
    *,
    grid: bool = False,
) -> None:
    """Print a test user's days with the answers of a run's models below the truth. Raises UserError.

    models: their names; the best three that kept their answers where none is named. data: the files of real people.
    days: first and last; the horizon where None.
    """
    from rich.text import Text

    from bench.records.manifest import read_run
    from bench.report import daymap
    from bench.report.page import people
    from bench.report.tables import plain
    from bench.report.trajectory import compare

    content = read_run(folder)
    source = people.source_of(content, data)
    if source is None:
        raise UserError(f"show: the people of {folder} are real; give their files with --data humob:FOLDER")
    chosen = _chosen(content, user[0], models)
    first = next(iter(chosen.values()))
    table, world = people.load(source, user[0], first[0]).of(user), source.world(user[0])
    _is_asked(user, first[1], folder)
    said = {name: _answers(path, *user) for name, (_, path) in chosen.items()}
    span = days or first[0].case.horizon
    for name, of in said.items() if grid else ():
        for line in (Text(plain(name), style="bold"), *daymap.draw(table, world, span, console.width, of)):
            console.print(line, overflow="ignore", no_wrap=True)
    for line in compare(table, world, span, said):
        console.print(line, overflow="ignore", no_wrap=True)


def _is_asked(user: tuple[str, int], answers: Path, folder: Path) -> None:
    """Raise UserError where a user is none that the run asked about."""
    import pandas as pd

    asked = sorted(map(int, pd.read_parquet(answers, columns=["uid"])["uid"].unique()))
    if user[1] not in asked:
        some = ", ".join(f"{user[0]}:{uid}" for uid in asked[:SOME_USERS])
        raise UserError(f"--user: {user[0]}:{user[1]} is no test user of {folder}; some that are: {some}")


def _chosen(content: RunContent, city: str, models: Sequence[str]) -> dict[str, tuple[Record, Path]]:
    """Return the models whose answers are shown, best first: name -> its record in the city and the answers' file."""
    from bench.records.manifest import file_of

    done = [r for r in content.records if r.status == "done" and r.case.test_city == city and r.main in r.scores]
    if not done:
        cities = sorted({r.case.test_city for r in content.records if r.status == "done"})
        raise UserError(f"--user: {content.folder} has no test user in '{city}'{nearest(city, cities)}")
    done.sort(key=lambda r: r.scores[r.main].mean * (-1 if r.scores[r.main].better == "higher" else 1))
    kept: dict[str, tuple[Record, Path]] = {}
    for record in done:
        if path := file_of(content, record, "answers"):
            kept.setdefault(record.case.model, (record, path))
    names = list(dict.fromkeys(r.case.model for r in done))
    for name in models:
        if name not in kept:
            raise UserError(f"--model: {content.folder} holds no answers of '{name}' in {city}{nearest(name, names)}")
    if not kept:
        raise UserError(f"show: {content.folder} holds no answers; they lie in the store beside it, where it was made")
    return {name: kept[name] for name in models or list(kept)[:BEST]}


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
