"""Read the answers out of a text that a model wrote freely: JSON or rows; it never raises.

What can be read counts, also in a text that is cut off or mangled; what is wrong with the text is counted by kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.data.files.rows import whole_number
from bench.data.trajectories import INVALID, MISSING, OK
from bench.data.world import Grid

PREDICTION = '"prediction"'
POINT_CHARACTERS = 200  # the widest format takes 90 a point
OTHER_CHARACTERS = 10_000

_ENTRY = re.compile(r"\[([^\[\]]*)\]")

Entry = list[int | None]  # None: a field that is no whole number


@dataclass(frozen=True)
class Reading:
    """What a text answers, row by row as the queries stand.

    x, y: int16, 0 where the status is not ok; status: int8, ok, invalid (something that is no cell of the grid) or
    missing. malformed: 1 if the text as a whole is not what a format asks for, else 0. Counts of points: missing;
    surplus (not asked for); out_of_range (whole numbers outside the grid); duplicates (answered again; the first
    counts).
    """

    x: np.ndarray
    y: np.ndarray
    status: np.ndarray
    malformed: int
    missing: int
    surplus: int
    out_of_range: int
    duplicates: int


def read_answer(text: str, asked: np.ndarray, *, keyed: bool, grid: Grid) -> Reading:
    """Read the answers to the queries ``asked``, int (n, 2): d, t.

    keyed: whether an entry is ``d t x y``; else it is ``x y`` and the order tells the query. JSON may stand in a code
    fence or among other words. Of texts far longer than any answer the rest is passed over.
    """
    text = text[: OTHER_CHARACTERS + POINT_CHARACTERS * len(asked)]
    entries, whole = _json(text) if _is_json(text) else _rows(text)
    places = {(d, t): i for i, (d, t) in enumerate(asked.tolist())} if keyed else None
    return _collect(entries, whole, len(asked), places, grid)


def _collect(
    entries: list[Entry], whole: bool, n: int, places: dict[tuple[int, int], int] | None, grid: Grid
) -> Reading:
    """Give each query the first entry that speaks of it."""
    cells = np.zeros((2, n), np.int16)
    status = np.full(n, MISSING, np.int8)
    surplus = out_of_range = duplicates = 0
    readable = whole and (bool(entries) or not n)
    for order, entry in enumerate(entries):
        at, cell = _placed(entry, order, n, places)
        readable &= len(cell) == 2 and None not in entry
        if at is None:
            surplus += len(cell) == 2
        elif status[at] != MISSING:
            duplicates += 1
        elif len(cell) != 2 or (x := cell[0]) is None or (y := cell[1]) is None:
            status[at] = INVALID
        elif 1 <= x <= grid.width and 1 <= y <= grid.height:
            cells[:, at], status[at] = (x, y), OK
        else:
            status[at] = INVALID
            out_of_range += 1
    missing = int((status == MISSING).sum())
    return Reading(cells[0], cells[1], status, int(not readable), missing, surplus, out_of_range, duplicates)


def _placed(entry: Entry, order: int, n: int, places: dict[tuple[int, int], int] | None) -> tuple[int | None, Entry]:
    """Return which query an entry speaks of, None if none, and its cell; a cell of another length is unreadable."""
    if places is None:
        return (order if order < n else None), entry
    if len(entry) != 4 or entry[0] is None or entry[1] is None:
        return None, []
    return places.get((entry[0], entry[1])), entry[2:]


def _is_json(text: str) -> bool:
    return PREDICTION in text or text.lstrip().startswith(("{", "[", "```json"))


def _json(text: str) -> tuple[list[Entry], bool]:
    """Return the entries of a JSON answer, and whether it is whole; of a broken one, all lists that are closed."""
    key = text.find(PREDICTION)
    starts = {text.find("{"), text.rfind("{", 0, key)} if key >= 0 else {text.find("{"), text.find("[")}
    for start in sorted(starts - {-1}):
        found = _decoded(text, start)
        found = found.get("prediction") if isinstance(found, dict) else found
        if isinstance(found, list):
            return [_fields(entry) for entry in found], True
    inner = _ENTRY.finditer(text, max(key, 0))
    return [[_number(field) for field in match[1].split(",")] for match in inner], False


def _decoded(text: str, start: int) -> object:
    """Return the JSON value that begins there, or None."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _fields(entry: object) -> Entry:
    """Return a JSON entry's numbers."""
    if not isinstance(entry, list):
        return []
    return [int(field) if _is_whole(field) else None for field in entry]


def _is_whole(field: object) -> bool:
    """Tell whether a JSON value is a whole number; 100.0 is one, true is none."""
    return type(field) is int or (type(field) is float and field.is_integer())


def _rows(text: str) -> tuple[list[Entry], bool]:
    """Return the entries of an answer in lines, and whether nothing else stands among them; words may go before."""
    entries = [[_number(field) for field in fields] for fields in _lines(text.splitlines())]
    first = next((i for i, entry in enumerate(entries) if entry[0] is not None), len(entries))
    rows = entries[first:]
    return rows, all(entry[0] is not None for entry in rows)


def _lines(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        fields = line.replace(",", " ").split()
        if fields and not line.startswith("```"):
            yield fields


def _number(field: str) -> int | None:
    return whole_number(field.strip())
