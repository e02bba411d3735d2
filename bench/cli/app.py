"""The command line. Nothing heavy is imported until a command runs, so that help appears at once.

Exit codes: 0 all done, 1 a case failed, 2 the user's input is wrong, 130 interrupted.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

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
app.add_typer(data, name="data")


@app.command()
def run(
    protocol: Annotated[Path, typer.Argument(help="A protocol file, e.g. protocols/zero_shot.yaml.")],
    source: Annotated[str | None, typer.Option("--data", help="Data in place of the protocol's: humob:FOLDER.")] = None,
    scale: Annotated[str | None, typer.Option(help="One of the protocol's scales, e.g. full.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, e.g. users.test=20.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only this model (again for more).")] = None,
    adapter: Annotated[list[str] | None, typer.Option(help="An outside model: module:Class.")] = None,
    out: Annotated[Path, typer.Option(help="Where records and results go.")] = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, help="Workers at once; costs are still measured alone.")] = 1,
) -> None:
    """Fit and score every model of a protocol, and end with a leaderboard. Goes on where it was stopped."""
    from bench.cli.run import run_command

    raise typer.Exit(run_command(protocol, source, scale, overrides or [], only or [], adapter or [], out, jobs))


@app.command("study")
@functools.wraps(study_command)
def study(*args: object, **kwargs: object) -> None:
    """Search for cities, volume and settings to train with."""
    raise typer.Exit(study_command(*args, **kwargs))  # type: ignore[arg-type]


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A protocol (YAML), or a challenge submission (CSV).")],
    challenge: Annotated[str | None, typer.Option(help="humob2023, humob2024 or giscup2025.")] = None,
    city: Annotated[str | None, typer.Option(help="The submission's city.")] = None,
    source: Annotated[str | None, typer.Option("--data", help="The challenge's folder, or a protocol's data.")] = None,
    scale: Annotated[str | None, typer.Option(help="One of the protocol's scales.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE as in run.")] = None,
) -> None:
    """Check a protocol, or a submission against a challenge's rules: every fault at once, by line."""
    if challenge is not None or city is not None or file.suffix not in {".yaml", ".yml"}:
        from bench.cli.challenge import check_submission_command

        raise typer.Exit(check_submission_command(file, challenge, city, source))
    from bench.cli.check import check_protocol

    check_protocol(file, scale, overrides or [], source)


@app.command("list")
def list_names(
    what: Annotated[str | None, typer.Argument(help="models, protocols, metrics or sources; all if left out.")] = None,
) -> None:
    """List models, protocols, metrics and sources."""
    from bench.cli.names import list_command

    list_command(what)


@app.command()
def score(
    predictions: Annotated[Path, typer.Argument(help="CSV, CSV.GZ or Parquet: uid,d,t,x,y.")],
    truth: Annotated[Path, typer.Option(help="The same for the true cells.")],
    days: Annotated[str, typer.Option(help="First and last day to score.")] = "60-74",
    users: Annotated[str | None, typer.Option(help="Score these only: FIRST-LAST, or predicted.")] = None,
    per_user: Annotated[Path | None, typer.Option(help="Write scores per user to this CSV.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a file of predictions against the truth with all four main figures."""
    from bench.cli.challenge import score_command

    score_command(predictions, truth, days, users, per_user, json)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/zero_shot.")],
    to: Annotated[Path | None, typer.Option(help="Write leaderboard.md and .csv there (else into the run).")] = None,
) -> None:
    """Make the leaderboard again from the records."""
    from bench.cli.report import report_command

    report_command(folder, to)


@app.command()
def show(
    record: Annotated[Path | None, typer.Argument(help="A record, e.g. runs/zero_shot/records/ID.json.")] = None,
    source: Annotated[str, typer.Option("--data", help="Where a user's trajectory is taken from.")] = "synthetic",
    user: Annotated[str | None, typer.Option(help="CITY:UID, to see a trajectory.")] = None,
    days: Annotated[str | None, typer.Option(help="First and last day, e.g. 53-66.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Answers (Parquet) to lay beside the truth.")] = None,
) -> None:
    """Show a record, or a user's trajectory."""
    from bench.cli.show import show_command

    show_command(record, source, user, days, answers)


@app.command()
def profile(
    model: Annotated[str, typer.Argument(help="A model, e.g. llama_mob.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A setting: KEY=VALUE.")] = None,
    weights: Annotated[str | None, typer.Option(help="random: times of a shape without its weights.")] = None,
    shape: Annotated[str | None, typer.Option(help="With random weights: llama-3-8b, llama-3.2-1b, ...")] = None,
    batch: Annotated[str, typer.Option(help="Users at a time: 1,8,32.")] = "1",
    decoding: Annotated[str | None, typer.Option(help="forced,jump,draft-chain,draft-tree,free.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda; auto: a GPU if there is one.")] = "auto",
    source: Annotated[str, typer.Option("--data", help="synthetic or humob:FOLDER.")] = "synthetic",
    city: Annotated[str | None, typer.Option(help="Whose users are asked for; the last one if left out.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Users to ask for; one batch at least.")] = 8,
    to: Annotated[Path | None, typer.Option(help="Write the table there: FILE.csv or FILE.md.")] = None,
) -> None:
    """Measure a model on this machine: time, passes, tokens and memory a trajectory, beside the least time there is."""
    from bench.cli.profile import Order, profile_command

    given = (model, tuple(overrides or ()), weights, shape, batch, decoding, device, source, city, users, to)
    profile_command(Order(*given))


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="humob2024: the seed paper's published submission.")],
    folder: Annotated[Path, typer.Option(help="Where downloads are kept.")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="Take the files from this address instead.")] = None,
) -> None:
    """Fetch a published submission and its truth, check both, and compare with the official scores."""
    from bench.cli.challenge import reproduce_command

    raise typer.Exit(reproduce_command(name, folder, url))


@data.command()
def make(
    folder: Annotated[Path, typer.Argument(help="Where city_A.csv.gz ... city_D.csv.gz go.")],
    seed: Annotated[int, typer.Option(help="Another seed gives other cities.")] = 0,
    users: Annotated[int, typer.Option(min=1, help="Users of each city.")] = 1000,
) -> None:
    """Write the synthetic cities as files."""
    from bench.cli.data_cities import make_command

    make_command(folder, seed, users)


@data.command()
def describe(
    specs: Annotated[list[str] | None, typer.Argument(help="Sources: synthetic, humob:FOLDER.")] = None,
) -> None:
    """Show the figures of data sets side by side, with those of the real cities."""
    from bench.cli.data_cities import describe_command

    describe_command(specs or ["synthetic"])


@data.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A file of uid,d,t,x,y, or conversations (.json).")],
    target: Annotated[Path, typer.Argument(help="The new file; its ending decides the format.")],
    from_day: Annotated[int, typer.Option(help="The number of the first day in the source.")] = 0,
    to_day: Annotated[int, typer.Option(help="The number of the first day in the target rows.")] = 0,
    to: Annotated[Literal["rows", "conversations"], typer.Option(help="conversations: for language models.")] = "rows",
    history: Annotated[tuple[int, int], typer.Option(help="First and last day that a question shows.")] = (0, 59),
    horizon: Annotated[tuple[int, int], typer.Option(help="First and last day that it asks for.")] = (60, 74),
    ask: Annotated[bool, typer.Option("--ask", help="Conversations without answers.")] = False,
    template: Annotated[Path | None, typer.Option(help="Words and layout of this conversation file.")] = None,
) -> None:
    """Convert between CSV, CSV.GZ, Parquet and conversations, and between day conventions."""
    from bench.cli.data_files import converse_command, convert_command

    if to == "rows":
        convert_command(source, target, from_day, to_day)
    else:
        from bench.data.world import Window

        converse_command(source, target, from_day, Window(history, horizon), ask=ask, template=template)


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(help="humob2023, humob2024, humob2024-truth or giscup2025.")],
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="Take the record from this address instead.")] = None,
) -> None:
    """Download a challenge's files: resumable, checksummed."""
    from bench.cli.data_files import fetch_command

    fetch_command(name, folder, url)


def main() -> None:
    """Run the command line; a user's mistake is told in plain lines, without a traceback."""
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
