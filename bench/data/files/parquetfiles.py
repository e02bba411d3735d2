"""Read Parquet files of rows uid,d,t,x,y, batch by batch, as strictly as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.files.blocks import Parsed
from bench.data.files.rows import COLUMNS, Rules, check_names
from bench.data.trajectories import DTYPES
from bench.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1 << 18


def read_batches(path: Path, rules: Rules) -> Iterator[Parsed]:
    """Yield parsed batches in order; faults name the row, counted from 1. Raises UserError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        check_names(str(path), file.schema_arrow.names)
        first = 1
        for batch in file.iter_batches(ROWS, columns=list(COLUMNS)):
            yield _parse(path, rules, first, batch)
            first += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be read ({reason})") from None


def _parse(path: Path, rules: Rules, first: int, batch: pa.RecordBatch) -> Parsed:
    import pyarrow as pa

    try:
        cast = {name: batch.column(name).cast(pa.from_numpy_dtype(DTYPES[name])) for name in COLUMNS}
        columns = {name: column.to_numpy(zero_copy_only=True) for name, column in cast.items()}
        numbers = all(_is_number(batch.schema.field(name).type) for name in COLUMNS)
        if numbers and rules.hold(columns):
            return Parsed(columns, range(first, first + batch.num_rows))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # text, blanks, fractions, too large for the type
        pass
    rows, faults = [], []
    for number, row in enumerate(batch.to_pylist(), start=first):
        values, wrong = rules.read({name: _text(row[name]) for name in COLUMNS})
        faults += [f"{path}, row {number}: {fault}" for fault in wrong]
        rows.append(values)
    if faults:
        return Parsed({}, range(0), faults)
    return Parsed.of(rows, range(first, first + batch.num_rows))


def _is_number(kind: pa.DataType) -> bool:
    """Tell whether a cast keeps the meaning: Arrow would make numbers of truth values, dates and hexadecimal text."""
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _text(value: object) -> str | None:
    """A value as a text file would have it; 5.0 is the whole number 5."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)
