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
MASK = 999
LAST_DAY = 9999

_INTEGER = re.compile(r"\s*-?[0-9]+\s*")


@dataclass(frozen=True)
class Rules:
    """What a file may hold.

    first_day: how the file counts its first day, 0 or 1. masked: whose cells may be 999 (nobody's, everybody's, or
    those of the uids in a range), in x and y together.
    """

    grid: Grid = field(default_factory=Grid)
    first_day: int = 0
    masked: bool | range = False

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
        if self.masked is False or not {"x", "y"}.issuperset(outside):
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

    def faults(self, row: Mapping[str, str | None]) -> Iterator[str]:
        """Yield what is wrong with one row, given as the file's own text; None is an absent value."""
        values: dict[str, int] = {}
        for name in COLUMNS:
            text = row[name]
            if text is None or not text.strip():
                yield f"{name} is blank; give a whole number or leave the row out"
            elif not _INTEGER.fullmatch(text):
                yield f"{name} is '{text.strip()[:40]}', not a whole number"
            else:
                values[name] = int(text)
        hidden = [name for name in ("x", "y") if values.get(name) == MASK]
        for name, value in values.items():
            low, high = self.bounds()[name]
            if not low <= value <= high and name not in hidden:
                yield f"{name} = {value} is outside {low}..{high}{_hint(name, value, self)}"
        if hidden:
            yield from self._mask_faults(hidden, values.get("uid", -1))

    def _mask_faults(self, hidden: list[str], uid: int) -> Iterator[str]:
        if self.masked is False:
            yield f"{' and '.join(hidden)} = {MASK} (masked), which is legal in challenge files only; give a real cell"
        elif len(hidden) == 1:
            yield f"{hidden[0]} = {MASK} but not {'y' if hidden == ['x'] else 'x'}: a masked cell has {MASK} in both"
        elif not self.may_mask(uid) and isinstance(self.masked, range):
            yield f"x and y are {MASK} (masked), but uid {uid} is no target user ({self.masked[0]}..{self.masked[-1]})"


def check_names(where: str, names: list[str]) -> tuple[str, ...]:
    """Return the names; raise UserError if one of uid, d, t, x, y is missing or stands twice."""
    faults = []
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
