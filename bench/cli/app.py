"""The command line: its commands and exit codes. Each command's file owns its arguments.

Nothing heavy is imported before a command runs, so help appears at once.
Exit codes: 0 all done, 1 a case failed, 2 the user's input is wrong, 130 interrupted.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable

import typer

from bench.cli.check import check_command
from bench.cli.data.convert import convert_command
from bench.cli.data.describe import describe_command
from bench.cli.data.fetch import fetch_command
from bench.cli.data.make import make_command
from bench.cli.names import list_command
from bench.cli.profile import profile_command
from bench.cli.report import report_command
from bench.cli.reproduce import reproduce_command
from bench.cli.run import run_command
from bench.cli.score import score_command
from bench.cli.show import show_command
from bench.cli.study import study_command
from bench.errors import UserError

app = typer.Typer(
    name="bench",
    help="Which model predicts best where people go, in which cities, and at what cost?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data = typer.Typer(help="Make, describe, convert and fetch data.", no_args_is_help=True, rich_markup_mode=None)


def add(group: typer.Typer, name: str, command: Callable[..., int | None]) -> None:
    """Add a command to a group; it returns its exit code, None for 0."""

    @functools.wraps(command)
    def called(*args: object, **kwargs: object) -> None:
        raise typer.Exit(command(*args, **kwargs) or 0)

    group.command(name)(called)


add(app, "run", run_command)
add(app, "study", study_command)
add(app, "check", check_command)
add(app, "list", list_command)
add(app, "report", report_command)
add(app, "show", show_command)
add(app, "score", score_command)
add(app, "reproduce", reproduce_command)
add(app, "profile", profile_command)
add(data, "fetch", fetch_command)
add(data, "make", make_command)
add(data, "describe", describe_command)
add(data, "convert", convert_command)
app.add_typer(data, name="data")


def main() -> None:
    """Run the command line; report a user's mistake in plain lines, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal or file in cp1252 or ASCII lacks some characters
    try:
        app()
    except UserError as error:
        for line in error.messages:
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
