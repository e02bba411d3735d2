"""Read a conversation's question: the words that lead it in, then records ``d t x y``, one a line.

Every line from the first record on is a record or a named fault: none is dropped in silence.
"""

from __future__ import annotations

import numpy as np

from bench.data.files.rows import whole_number
from bench.errors import UserError

FEWEST_FIELDS = 3  # a line of so many numbers and nothing else is meant to be a record


def read_question(text: str, where: str) -> tuple[str, np.ndarray]:
    """Return the lead and the records, int64 (n, 4). Raises UserError; ``where`` names the conversation.

    Numbers may have a point (102.0); blank lines and blanks around a record are passed over.
    """
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if _is_meant(line)), None)
    if first is None:
        raise UserError(f"{where}: the question holds no rows d t x y")
    records = []
    for number, line in enumerate(lines[first:], start=first + 1):
        if line.strip():
            record = [whole_number(field) for field in line.split()]
            if len(record) != 4 or None in record:
                raise UserError(f"{where}, line {number} of the question: '{line[:40]}' is no row d t x y")
            records.append(record)
    return "".join(f"{line}\n" for line in lines[:first]), np.array(records, np.int64)


def _is_meant(line: str) -> bool:
    """Tell whether a line is a record, or meant to be one: numbers and nothing else, commas among them or not."""
    fields = line.replace(",", " ").split()
    try:
        return len([float(field) for field in fields]) >= FEWEST_FIELDS
    except ValueError:
        return False
