"""A whole experiment in one call: open the protocol's data, run its cases, read what they left."""

from __future__ import annotations

from pathlib import Path

from bench.data.sources import open_source
from bench.protocol.schema import Protocol
from bench.records.manifest import RunContent, read_run
from bench.running import runner
from bench.running.hardware import detect
from bench.running.progress import Progress, make


def run(protocol: Protocol, out: Path | str = "runs", *, jobs: int = 1, progress: Progress | None = None) -> RunContent:
    """Run those cases of a protocol that are missing below ``out``; return the run with all its records.

    jobs: parallel workers; progress: lines or bars on standard error if None. Raises UserError, and
    KeyboardInterrupt after tidying up: the next call resumes.
    """
    from rich.console import Console

    data = protocol.data
    source = open_source(data.source, seed=data.seed, options=dict(data.options))
    done = runner.run(protocol, source, Path(out), detect(jobs), progress or make(Console(stderr=True)))
    return read_run(done.folder)
