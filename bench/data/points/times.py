"""Times as files have them become milliseconds since 1970: ISO 8601, Unix time, Twitter's format, or one that is said.

A time with an offset is UTC's; one without is what the settings say. Both in one file cannot be told apart: refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MISSING = np.iinfo(np.int64).min
TWITTER = "%a %b %d %H:%M:%S %z %Y"
OFFSET = r"(?:Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|:\d{2}[+-]\d{2})$"
MOST_SECONDS, MOST_MS, MOST_US = (
    10**11,
    10**14,
    10**17,
)  # Unix time in seconds stays below the first until the year 5138


def arrow_ms(where: str, column: pa.ChunkedArray, time_format: str | None) -> tuple[np.ndarray, bool]:
    """Return milliseconds (MISSING where there is no time), and whether the file's times have an offset from UTC.

    Raises UserError if some times have an offset and others do not, or if no time can be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_timestamp(kind):
        ms = pc.cast(column, pa.timestamp("ms", tz=kind.tz), safe=False)
        return _numpy(ms), kind.tz is not None
    if pa.types.is_date(kind):
        return _numpy(pc.cast(column, pa.timestamp("ms"))), False
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _unix(pc.cast(column, pa.float64(), safe=False).to_numpy()), True
    return _text(where, column.to_pandas().astype("str").str.strip(), time_format)


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.fill_null(pc.cast(column, pa.int64()), int(MISSING)).to_numpy()


def _unix(values: np.ndarray) -> np.ndarray:
    """Seconds, milli-, micro- or nanoseconds since 1970, told by their size."""
    known = np.isfinite(values)
    size = float(np.median(np.abs(values[known]))) if known.any() else 0.0
    scale = 1000.0 if size < MOST_SECONDS else 1.0 if size < MOST_MS else 1e-3 if size < MOST_US else 1e-6
    with np.errstate(invalid="ignore"):
        return np.where(known & (np.abs(values) < 9e18 / scale), np.floor(values * scale), MISSING).astype(np.int64)


def _text(where: str, text: pd.Series[str], time_format: str | None) -> tuple[np.ndarray, bool]:
    import pandas as pd

    numbers = pd.to_numeric(text, errors="coerce").to_numpy(float, na_value=np.nan)
    given = text.notna() & (text != "")
    if np.isfinite(numbers).sum() > given.sum() / 2 and time_format is None:
        return _unix(numbers), True
    if time_format is not None:
        zoned, parsed = pd.Series("%z" in time_format, text.index), _parse(text, time_format)
    else:
        text = text.str.replace(r"^(\d{4})/(\d{1,2})/(\d{1,2})", r"\1-\2-\3", regex=True)
        zoned, parsed = text.str.contains(OFFSET, regex=True).fillna(False), _parse(text, "ISO8601")
        if (parsed == MISSING).all():
            zoned, parsed = pd.Series(True, text.index), _parse(text, TWITTER)
    read = parsed != MISSING
    if given.any() and not read.any():
        first = text[given].iloc[0]
        raise UserError(
            f"{where}: the time '{first[:40]}' cannot be read; say its format, e.g. --set time_format='%d.%m.%Y %H:%M'"
        )
    with_offset, without = int((zoned & read).sum()), int((~zoned & read).sum())
    if with_offset and without:
        raise UserError(
            f"{where}: {with_offset} times have an offset from UTC and {without} have none, so their clocks are not "
            "known; write them all in one way"
        )
    return parsed, with_offset > 0


def _parse(text: pd.Series[str], time_format: str) -> np.ndarray:
    import pandas as pd

    when = pd.to_datetime(text, format=time_format, errors="coerce", utc=True)
    ms = when.dt.tz_localize(None).to_numpy("datetime64[ms]")
    return np.where(np.isnat(ms), MISSING, ms.astype(np.int64))
