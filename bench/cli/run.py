"""bench run: from a protocol to a leaderboard."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def run_command(
    path: Path,
    data: str | None,
    scale: str | None,
    overrides: Sequence[str],
    only: Sequence[str],
    adapters: Sequence[str],
    out: Path,
    jobs: int,
) -> int:
    """Run a protocol and print its leaderboard; return the exit code (1 if a case failed)."""
    from bench.adapters import registry
    from bench.cli.report import make_report
    from bench.data.sources import open_source
    from bench.protocol import protocol
    from bench.running import hardware, outsiders, progress, runner

    outsiders.keep_out()
    outside = [registry.add(target) for target in adapters]
    wanted = protocol.load(path, scale=scale, overrides=overrides, data=data, only=only, add=outside)
    source = open_source(wanted.data.source, seed=wanted.data.seed, options=dict(wanted.data.options))
    console = Console()
    try:
        done = runner.run(wanted, source, out, hardware.place(jobs), progress.make(Console(stderr=True)))
    except KeyboardInterrupt:
        print("interrupted: what is done is kept, and the same command goes on from here", file=sys.stderr)
        return 130
    failed = make_report(done.folder, console)
    return 1 if failed else 0
