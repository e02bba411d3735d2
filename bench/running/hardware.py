"""The machine that cases run on: device, threads and workers; and what a model needs that it lacks."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from bench.adapters.adapter import Needs
from bench.records.provenance import machine


@dataclass(frozen=True)
class Hardware:
    """A device, the threads of one worker, the number of parallel workers, and whether other work runs meanwhile."""

    device: str
    threads: int
    jobs: int
    shared: bool = False

    @property
    def hardware(self) -> str:
        """The device as the cost's identity names it."""
        return f"{self.device}: {machine().gpu if self.device == 'cuda' else machine().cpu}"


def detect(jobs: int, device: str = "auto") -> Hardware:
    """Choose the device (a GPU if there is one) and share the cores among the workers."""
    chosen = ("cuda" if machine().gpu else "cpu") if device == "auto" else device
    return Hardware(chosen, machine().cores, max(1, jobs))


def lacking(needs: Needs, device: str) -> str | None:
    """Return what an adapter needs and this machine lacks, or None."""
    missing = [name for name in needs.packages if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        if needs.install:
            return f"not installed: pip install '{needs.install}'"
        return f"needs {', '.join(missing)}: pip install {' '.join(missing)}"
    if needs.cuda and device != "cuda":
        return "needs a CUDA device; this machine has none"
    if needs.cpu_gb > machine().memory_gb:
        return f"needs {needs.cpu_gb:g} GB of memory; this machine has {machine().memory_gb:g}"
    return None
