"""A run's data frames as Parquet files, for any tool that reads them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.files import write_with
from bench.records import frames
from bench.records.manifest import RunContent

if TYPE_CHECKING:
    import pandas as pd

WHOLE = ("cases", "scores", "slices", "user_slices", "agreements", "costs")
ANSWERS = "answers"


def export(content: RunContent, to: Path) -> list[str]:
    """Write every frame that has rows as ``to/NAME.parquet``; return the names of the files.

    Raises UserError where the folder is a run's. Scores, slices of users and answers are data of
    single people: where these are real, keep the folder to yourself.
    """
    if (to / "run.json").exists():
        raise UserError(f"--export: {to} is a run's folder; name one of its own")
    written = []
    for name in WHOLE:
        frame = getattr(content, name)
        if len(frame):
            write_with(to / f"{name}.parquet", partial(_write, frame))
            written.append(f"{name}.parquet")
        else:
            (to / f"{name}.parquet").unlink(missing_ok=True)  # an earlier export's
    return written + _write_answers(content, to / f"{ANSWERS}.parquet")


def _write(frame: pd.DataFrame, part: Path) -> None:
    frame.to_parquet(part, index=False)


def _write_answers(content: RunContent, path: Path) -> list[str]:
    """Write the answers case by case."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = frames.answer_parts(content.records, content.store)
    tables = (pa.Table.from_pandas(part, preserve_index=False) for part in parts)
    first = next(tables, None)
    if first is None:
        path.unlink(missing_ok=True)
        return []

    def write(part: Path) -> None:
        with pq.ParquetWriter(part, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table.cast(first.schema))

    write_with(path, write)
    return [path.name]
