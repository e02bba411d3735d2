"""Columns of fixes, and the ledger of what was dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Fixes:
    """Where and when: one entry a fix, all arrays of the same length.

    user: int32, index into ``names``. ms: int64, milliseconds since 1970 (UTC, or the local clock). lon, lat: float64,
    degrees, or metres where the file has metres. offset: int32, minutes that local time is ahead of UTC, where the file
    says so.
    """

    names: tuple[str, ...]
    user: np.ndarray
    ms: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    offset: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> Fixes:
        """Return the chosen fixes (a mask, or indices), in that order."""
        offset = None if self.offset is None else self.offset[rows]
        return Fixes(self.names, self.user[rows], self.ms[rows], self.lon[rows], self.lat[rows], offset)

    @classmethod
    def concat(cls, parts: Sequence[Fixes]) -> Fixes:
        """Join the fixes of several files; users of the same name are one user. Names come out in order."""
        names = sorted({name for part in parts for name in part.names}, key=in_order)
        code = {name: i for i, name in enumerate(names)}
        recode = [np.array([code[name] for name in part.names], np.int32) for part in parts]
        user = [new[part.user] for new, part in zip(recode, parts, strict=True) if len(part)]
        kept = [part for part in parts if len(part)]
        if not kept:
            return cls(tuple(names), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
        offsets = [part.offset for part in kept]
        whole = None if any(o is None for o in offsets) else _join([o for o in offsets if o is not None])
        return cls(
            tuple(names),
            _join(user),
            _join([part.ms for part in kept]),
            _join([part.lon for part in kept]),
            _join([part.lat for part in kept]),
            whole,
        )


def _join(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def in_order(name: str) -> tuple[bool, int, str]:
    """Key that sorts numbers by their value and before other names."""
    number = name.isascii() and name.isdigit()
    return (not number, int(name) if number else 0, name)


@dataclass
class Ledger:
    """How many fixes came in, and how many were dropped for which reason: each fix for the first one that applies."""

    came: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int | float | str] = field(default_factory=dict)

    def drop(self, reason: str, count: int) -> None:
        """Count dropped fixes."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def keep(self, reason: str, fixes: Fixes, good: np.ndarray) -> Fixes:
        """Return the good fixes and count the others."""
        kept = int(np.count_nonzero(good))
        self.drop(reason, len(good) - kept)
        return fixes if kept == len(good) else fixes.take(good)

    @property
    def left(self) -> int:
        """Fixes that are still here."""
        return self.came - sum(self.dropped.values())


def with_columns(fixes: Fixes, **columns: np.ndarray) -> Fixes:
    """Return the fixes with other columns."""
    return replace(fixes, **columns)  # type: ignore[arg-type]
