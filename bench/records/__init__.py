"""What a run leaves: records, their store and where they came from. ``read_run(folder)`` reads it all back."""

from bench.records.manifest import RunContent, read_run

__all__ = ["RunContent", "read_run"]
