"""Rows uid,d,t,x,y as files hold them: what is legal, and one clear line for each fault.

The columns of many rows are judged at once; only rows of a block with a fault are looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.data.world import Grid
from bench.errors import UserError

COLUMNS = ("uid", "d", "t", "x", "y")
CELL = ("x", "y")
MASK = 999
LAST_DAY = 9999

_WHOLE = re.compile(r"(-?[0-9]{1,18})(?:\.0*)?")
NOTHING = frozenset({"", "nan", "null", "none", "na", "n/a", "<na>", "inf", "-inf"})  # how tools write "no number"


def whole_number(text: str) -> int | None:
    """Return the whole number that is written as 135, 135. or 135.0; None for anything else."""
    match = _WHOLE.fullmatch(text)
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Rules:
    """What a file may hold.

    first_day: how the file counts its first day, 0 or 1. masked: whose cells may be 999 (nobody's, everybody's, or
    those of the uids in a range), in x and y together. answers: the file holds a model's answers, which need not be
    cells: what is blank, NaN or outside the grid is read as masked.
    """

    grid: Grid = field(default_factory=Grid)
    first_day: int = 0
    masked: bool | range = False
    answers: bool = False

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Lowest and highest value of each column, as the file counts."""
        return {
            "uid": (0, 2**31 - 1),
            "d": (self.first_day, self.first_day + LAST_DAY),
            "t": (0, self.grid.slots - 1),
            "x": (1, self.grid.width),
            "y": (1, self.grid.height),
        }

    def may_mask(self, uid: int) -> bool:
        """Tell whether this user's cells may be 999."""
        return self.masked if isinstance(self.masked, bool) else uid in self.masked

    def hold(self, columns: Mapping[str, np.ndarray]) -> bool:
        """Tell whether every row is legal."""
        outside = [
            name
            for name, (low, high) in self.bounds().items()
            if len(columns[name]) and (columns[name].min() < low or columns[name].max() > high)
        ]
        if not outside:
            return True
        if (self.masked is False and not self.answers) or not {"x", "y"}.issuperset(outside):
            return False
        x, y = columns["x"], columns["y"]
        hidden = (x == MASK) & (y == MASK)
        seen = ~hidden & ((x < 1) | (x > self.grid.width) | (y < 1) | (y > self.grid.height))
        uid = columns["uid"][hidden]
        foreign = (
            isinstance(self.masked, range)
            and len(uid)
            and (int(uid.min()) not in self.masked or int(uid.max()) not in self.masked)
        )
        return not seen.any() and not foreign

    def faults(self, row: Mapping[str, str | None]) -> list[str]:
        """Return what is wrong with one row, given as the file's own text; None is an absent value."""
        return self.read(row)[1]

    def read(self, row: Mapping[str, str | None]) -> tuple[list[int], list[str]]:
        """Return one row's numbers in the order of COLUMNS, and its faults; with faults the numbers mean nothing.

        A whole number may be written with a point, as in 135.0.
        """
        values: dict[str, int] = {}
        faults = []
        for name in COLUMNS:
            text = (row[name] or "").strip()
            if (value := whole_number(text)) is not None:
                values[name] = value
            elif self.answers and name in CELL and text.lower() in NOTHING:
                values[name] = MASK
            elif not text:
                faults.append(f"{name} is blank; give a whole number or leave the row out")
            else:
                faults.append(f"{name} is '{text[:40]}', not a whole number")
        if self.answers and not self._is_cell(values):
            values |= {name: MASK for name in CELL if name in values}
        faults += self._outside(values)
        return list(values.values()), faults

    def _is_cell(self, values: Mapping[str, int]) -> bool:
        bounds = self.bounds()
        return all(bounds[name][0] <= values.get(name, 0) <= bounds[name][1] for name in CELL)

    def _outside(self, values: Mapping[str, int]) -> Iterator[str]:
        """Yield what is out of bounds."""
        hidden = [name for name in CELL if values.get(name) == MASK]
        for name, value in values.items():
            low, high = self.bounds()[name]
            if not low <= value <= high and name not in hidden:
                yield f"{name} = {value} is outside {low}..{high}{_hint(name, value, self)}"
        if hidden:
            yield from self._mask_faults(hidden, values.get("uid", -1))

    def _mask_faults(self, hidden: list[str], uid: int) -> Iterator[str]:
        if self.answers:
            return
        if self.masked is False:
            yield f"{' and '.join(hidden)} = {MASK} (masked), which is legal in challenge files only; give a real cell"
        elif len(hidden) == 1:
            yield f"{hidden[0]} = {MASK} but not {'y' if hidden == ['x'] else 'x'}: a masked cell has {MASK} in both"
        elif not self.may_mask(uid) and isinstance(self.masked, range):
            yield f"x and y are {MASK} (masked), but uid {uid} is no target user ({self.masked[0]}..{self.masked[-1]})"


def check_names(where: str, names: list[str]) -> tuple[str, ...]:
    """Return the names; raise UserError if one of uid, d, t, x, y is missing or stands twice."""
    faults = []
    if not set(COLUMNS) & set(names):
        held = f"holds {','.join(names)[:80]!r}, none of the columns {','.join(COLUMNS)}"
        raise UserError(f"{where}: {held}; give rows with commas, semicolons or tabs between them")
    for name in COLUMNS:
        if names.count(name) != 1:
            fault = "is missing" if name not in names else f"stands {names.count(name)} times"
            faults.append(f"{where}: column '{name}' {fault}; the columns are {','.join(names)[:80] or 'none'}")
    if faults:
        raise UserError(*faults)
    return tuple(names)


def _hint(name: str, value: int, rules: Rules) -> str:
    """What a value just out of bounds usually means."""
    if name in ("x", "y") and value == 0:
        return "; cells count from 1"
    if name == "d" and value == rules.first_day - 1:
        return f"; days count from {rules.first_day} in this file's convention"
    if name == "t" and value == rules.grid.slots:
        return "; timeslots count from 0"
    return ""
