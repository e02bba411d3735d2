"""mobility-bench: protocols, adapters, metrics and leaderboards for human mobility prediction.

    import bench

    protocol = bench.load_protocol("zero_shot", only=["slot_mode", "kernel_vote"])
    run = bench.run(protocol, "runs")
    run.cases   # a data frame: one row a case
    run.scores  # a data frame: one row a case and user

Importing the package loads nothing else: each name below is looked up when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench import records as records
    from bench.adapters.registry import add as add_adapter
    from bench.protocol.reading import load as load_protocol
    from bench.running.experiment import run

__all__ = ["add_adapter", "load_protocol", "records", "run"]
__version__ = "0.1.0"

_PUBLIC = {
    "add_adapter": ("bench.adapters.registry", "add"),
    "load_protocol": ("bench.protocol.reading", "load"),
    "run": ("bench.running.experiment", "run"),
    "records": ("bench.records", None),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'bench' has no attribute '{name}'")
    module, inside = _PUBLIC[name]
    found = importlib.import_module(module)
    return getattr(found, inside) if inside else found
