"""How a file of rows is written, told by its content: plain text, gzip or UTF-16; commas, semicolons or tabs.

What holds no rows of text (archives, workbooks, ...) is refused in one line that says what it is and what to do.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from isal import igzip
from isal.igzip_lib import IsalError

from bench.data.files.rows import COLUMNS, check_names
from bench.errors import UserError

LONGEST_LINE = 1 << 16
GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = ",;\t"
HEAD = 64  # bytes that tell what a file is

# first bytes -> what the file is, and what to do
_FOREIGN = {
    b"\xff\xfe\0\0": ("UTF-32 text", "save it as UTF-8"),
    b"\0\0\xfe\xff": ("UTF-32 text", "save it as UTF-8"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV UTF-8"),
    b"BZh": ("compressed by bzip2", "unpack it, or compress it by gzip"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it, or compress it by gzip"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it, or compress it by gzip"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it"),
    b"ARROW1": ("an Arrow file (Feather)", "write it as Parquet or CSV"),
    b"\x93NUMPY": ("a numpy file", "write it as Parquet or CSV"),
    b"\x80\x04": ("a pickle, which is never opened", "write it as Parquet or CSV"),
    b"\x80\x05": ("a pickle, which is never opened", "write it as Parquet or CSV"),
    b"SQLite format": ("a SQLite database", "write the rows as CSV"),
    b"%PDF": ("a PDF", "write the rows as CSV"),
}
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where the columns of a text file are: all names in the file's order, what is between them, the first row's line.

    first_row is 1 where there is no header.
    """

    names: tuple[str, ...]
    separator: str
    first_row: int


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as UTF-8 text, unpacked where it is gzip; say in one line why it cannot be read."""
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] != GZIP:
                yield _as_utf8(path, raw)
                return
            with igzip.open(raw) as file:
                yield _as_utf8(path, file)
    except EOFError:
        raise UserError(f"{path}: the gzip stream ends too early (truncated); copy or download it again") from None
    except (igzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]  # the stub types it as a value
        raise UserError(f"{path}: the gzip stream is damaged ({error}); copy or download it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def starts_with(path: Path, mark: bytes) -> bool:
    """Tell whether these are a file's first bytes; False for a pipe, whose bytes can be read only once."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError:
        return False


def holds_json(path: Path) -> bool:
    """Tell whether a file's text begins as JSON does; of a pipe the name tells. Raises UserError if it is no text."""
    if not path.is_file() or starts_with(path, PARQUET):
        return path.suffix in (".json", ".jsonl")
    with opened(path) as file:
        return file.read(HEAD).removeprefix(UTF8_BOM).lstrip().startswith((b"[", b"{"))


def _as_utf8(path: Path, file: IO[bytes]) -> IO[bytes]:
    """Return the file itself, or its text as UTF-8 where it is UTF-16. Raises UserError if it is no text."""
    head = file.peek(HEAD)[:HEAD]  # type: ignore[attr-defined]
    if kind := foreign(path, head):
        raise UserError(f"{path}: {kind}")
    if head.startswith(UTF16_BOMS):
        try:
            return io.BytesIO(file.read().decode("utf-16").encode())
        except UnicodeError:
            raise UserError(f"{path}: is damaged UTF-16 text; save it as CSV UTF-8") from None
    return file


def foreign(path: Path, head: bytes) -> str | None:
    """Say what a file is that holds no rows of text, and what to do; None if its first bytes look like text."""
    for mark, (kind, do) in _FOREIGN.items():
        if head.startswith(mark):
            return f"is {kind}; {do}"
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if b"\0" in head and not head.startswith((GZIP, *UTF16_BOMS)):
        return f"is no text (a zero byte at its start); give rows {','.join(COLUMNS)} in UTF-8"
    return None


def _archive(path: Path) -> str:
    """Say what a ZIP file holds, and what to do."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        names = []  # damaged, or in gzip: its beginning alone is known
    if any(name.startswith("xl/") for name in names):
        return "is an Excel workbook; save the sheet as CSV UTF-8 and give that file"
    held = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
    return f"is a ZIP archive{held}; unpack it and give the file with the rows, or compress that by gzip"


def read_layout(path: Path, file: IO[bytes]) -> tuple[Layout, bytes]:
    """Read the first lines; return the layout, and what of these lines is a row already.

    A line ``sep=;`` (Excel's) is obeyed. The first line is a header if no field of it is a number. Raises UserError.
    """
    line, number = _line(path, file, 1), 1
    if not line:
        raise UserError(f"{path}: is empty; give rows {','.join(COLUMNS)}")
    if line.startswith(("[", "{")):
        raise UserError(f"{path}: is JSON; bench data convert makes rows of conversations, other JSON is not read")
    if line.lstrip().startswith("<"):
        raise UserError(f"{path}: is HTML or XML, as of an error page; download the file itself")
    if match := _SEPARATOR_LINE.fullmatch(line):
        if match[1] not in SEPARATORS:
            raise UserError(f"{path}, line 1: sep={match[1]} is no comma, semicolon or tab; write the rows with commas")
        line, number = _line(path, file, 2), 2
    separator = match[1] if match else max(SEPARATORS, key=lambda candidate: _fit(line, candidate))
    fields = fields_of(line, separator)
    if any(_is_number(text) for text in fields):
        if len(fields) != len(COLUMNS):
            want = f"without a header there must be {len(COLUMNS)}: {','.join(COLUMNS)}"
            raise UserError(f"{path}, line {number}: {len(fields)} fields; {want}")
        return Layout(COLUMNS, separator, number), line.encode()
    names = check_names(f"{path}, line {number}", [name.strip().lower() for name in fields])
    return Layout(names, separator, number + 1), b""


def _line(path: Path, file: IO[bytes], number: int) -> str:
    """Read a line of the beginning."""
    line = file.readline(LONGEST_LINE).removeprefix(UTF8_BOM)
    if b"\r" in line.rstrip(b"\r\n"):
        raise UserError(f"{path}, line {number}: lines end in lone carriage returns; save the file with line feeds")
    if len(line) >= LONGEST_LINE:
        raise UserError(f"{path}, line {number}: is longer than {LONGEST_LINE} bytes; give rows {','.join(COLUMNS)}")
    return line.decode("utf-8", errors="replace")


def _fit(line: str, separator: str) -> tuple[int, int]:
    """How well a separator cuts the first line: columns or numbers found, and fields at all."""
    fields = [text.strip().lower() for text in fields_of(line, separator)]
    known = len(set(COLUMNS).intersection(fields))
    return max(known, sum(map(_is_number, fields))), len(fields)


def fields_of(line: str, separator: str) -> list[str]:
    """Cut a line into its fields."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
    except csv.Error:  # a lone carriage return, an endless quote
        return line.split(separator)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower() not in ("nan", "inf", "infinity")
