"""Text files of points: comma, semicolon, tab or blank between fields, in gzip or not, with or without a header."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.files.dialect import LONGEST_LINE, UTF8_BOM, fields_of, opened
from bench.data.points.layouts import NAMES, PLT, PLT_LINES, Layout, plain
from bench.data.points.settings import Settings
from bench.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = (",", ";", "\t", " ")
NOTHING = ["", "NA", "NaN", "nan", "null", "NULL", "None", "n/a"]
BLOCK = 1 << 23


def read_text(path: Path, layout: Layout, settings: Settings) -> tuple[pa.Table, int]:
    """Return a file's columns that may matter, and how many lines have another number of fields. Raises UserError."""
    with opened(path) as file:
        line = file.readline(LONGEST_LINE).removeprefix(UTF8_BOM).decode("utf-8", errors="replace")
        second = file.readline(LONGEST_LINE).decode("utf-8", errors="replace")
    if not line.strip():
        raise UserError(f"{path}: is empty; give at least one row")
    if line.lstrip().startswith("<"):
        raise UserError(f"{path}: is HTML or XML, as of an error page; download the file itself")
    separator = max(
        SEPARATORS, key=lambda candidate: len(fields_of(line, candidate)) * (candidate != " " or not _known(line))
    )
    names = [name.strip() for name in fields_of(line, separator)]
    if not any(_is_number(name) for name in names):
        if twice := {name for name in names if names.count(name) > 1}:
            raise UserError(f"{path}: the columns {', '.join(sorted(twice))} stand more than once")
        return _parse(path, names, separator, 1, fields_of(second, separator), settings)
    if not layout.headless:
        raise UserError(f"{path}: has no header (its first line is '{line.strip()[:60]}'); add one, or name the layout")
    fields = fields_of(line, layout.separator)
    if len(fields) != len(layout.headless):
        raise UserError(f"{path}: {len(fields)} fields a line, not the {len(layout.headless)} of this layout")
    return _parse(path, list(layout.headless), layout.separator, 0, fields, settings)


def read_plt(path: Path) -> tuple[pa.Table, int]:
    """Read GeoLife's PLT: six lines, then latitude, longitude, 0, altitude, days, date, time."""
    import pyarrow.compute as pc

    kinds = {"lat": "number", "lon": "number", "date": "text", "clock": "text"}
    table, short = _arrow(path, list(PLT), ",", PLT_LINES, kinds)
    time = pc.binary_join_element_wise(table.column("date"), table.column("clock"), " ")
    return table.select(["lat", "lon"]).append_column("time", time), short


def _known(line: str) -> bool:
    """Tell whether a line cut at commas, semicolons or tabs has several fields."""
    return any(len(fields_of(line, separator)) > 1 for separator in SEPARATORS[:3])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(
    path: Path, names: list[str], separator: str, skip: int, first: list[str], settings: Settings
) -> tuple[pa.Table, int]:
    """Read the columns that may have a role: numbers and ISO times as such where all are, else as text."""
    roles = {role: {*candidates} for role, candidates in NAMES.items()}
    given = {getattr(settings, role): role for role in roles if getattr(settings, role)}
    kinds: dict[str, str] = {}
    for name in names:
        role = given.get(name) or next((role for role, known in roles.items() if plain(name) in known), None)
        if role == "user":
            kinds[name] = "names"
        elif role == "time":
            kinds[name] = _kind_of_time(dict(zip(names, first, strict=False)).get(name, ""), settings)
        elif role is not None:
            kinds[name] = "text" if role == "visible" else "number"
    return _arrow(path, names, separator, skip, kinds)


def _kind_of_time(text: str, settings: Settings) -> str:
    """Guess from the first row how a column of times may be parsed fastest."""
    text = text.strip()
    if settings.time_format is not None or not text[:4].isdigit():
        return "text"
    if _is_number(text):
        return "number"
    if text[4:5] != "-":
        return "text"
    zoned = text.endswith(("Z", "z")) or "+" in text[10:] or "-" in text[10:]
    return "utc" if zoned else "clock"


def _arrow(path: Path, names: list[str], separator: str, skip: int, kinds: dict[str, str]) -> tuple[pa.Table, int]:
    """Parse with Arrow; where a value is not of its kind, once more with that all as text."""
    import pyarrow as pa
    import pyarrow.csv as pc

    if not kinds:
        kinds = dict.fromkeys(names, "text")
    short = itertools.count()
    types = {
        "names": pa.dictionary(pa.int32(), pa.string()),
        "number": pa.float64(),
        "clock": pa.timestamp("ns"),
        "utc": pa.timestamp("ns", tz="UTC"),
        "text": pa.string(),
    }

    def skipped(_: pc.InvalidRow) -> str:
        next(short)
        return "skip"

    def read(wanted: dict[str, str]) -> pa.Table:
        with opened(path) as file:
            for _ in range(skip):
                file.readline()
            return pc.read_csv(
                pa.PythonFile(file, mode="r"),
                read_options=pc.ReadOptions(column_names=names, block_size=BLOCK),
                parse_options=pc.ParseOptions(
                    delimiter=separator, quote_char=False if separator in "\t " else '"', invalid_row_handler=skipped
                ),
                convert_options=pc.ConvertOptions(
                    column_types={name: types[kind] for name, kind in wanted.items()},
                    include_columns=list(wanted),
                    null_values=NOTHING,
                    strings_can_be_null=True,
                ),
            )

    try:
        try:
            return read(kinds), next(short)
        except pa.ArrowInvalid:
            short = itertools.count()
            return read({name: kind if kind == "names" else "text" for name, kind in kinds.items()}), next(short)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return pa.table({name: pa.array([], pa.string()) for name in kinds}), 0
        raise UserError(f"{path}: cannot be read as text of rows ({str(error).splitlines()[0]})") from None
