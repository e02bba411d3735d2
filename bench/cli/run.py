"""bench run: from a protocol to a leaderboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import Adapters, Data, Out, Overrides, Scale


def run_command(
    protocol: Annotated[Path, typer.Argument(help="A protocol: a YAML file, or a name from `bench list protocols`.")],
    data: Data = None,
    scale: Scale = None,
    overrides: Overrides = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only this model; repeatable.")] = None,
    adapter: Adapters = None,
    out: Out = Path("runs"),
    jobs: Annotated[
        int, typer.Option(min=1, help="Parallel workers; costs are still measured one case at a time.")
    ] = 1,
) -> int:
    """Run a protocol and print its leaderboard. Resumes an interrupted run."""
    from rich.console import Console

    from bench.adapters import registry
    from bench.cli.report import make_report
    from bench.protocol.reading import load
    from bench.running import outsiders
    from bench.running.experiment import run

    outsiders.keep_out()
    added = [registry.add(target) for target in adapter or ()]
    wanted = load(protocol, scale=scale, overrides=overrides or (), data=data, only=only or (), add=added)
    try:
        done = run(wanted, out, jobs=jobs)
    except KeyboardInterrupt:
        print("interrupted: finished cases are kept; the same command resumes the run", file=sys.stderr)
        return 130
    return 1 if make_report(done.folder, Console()) else 0
