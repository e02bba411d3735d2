"""The weights of the conditional logit, as a JSON file that a person can read: column name -> weight."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from baselines.expected_day.choices import KINDS, LEVELS, SHARES, UNARY, VOTES
from baselines.statistics._kernel import GAPS
from bench.errors import UserError
from bench.files import write_text

_VOTES_OF_DAYS = {f"{kind}_{i}" for kind in ("votes", "near") for i in range(len(VOTES), KINDS)}
REACHES = (2, 8, 40)  # half-hours within which points count as consecutive
_BY_GAP = (*(f"gap to {gap}" for gap in GAPS), "gap over 16")
TRANSITIONS = (
    *(f"same, {gap}" for gap in _BY_GAP),
    *("same x stays, gap to 4", "same x stays, gap over 4", "same and home, gap to 4", "same and home, gap over 4"),
    *("same, first of day", "proximity", *(f"log distance, {gap}" for gap in _BY_GAP), "speed"),
    *("neighbour, gap to 2", "neighbour, gap over 2", *(f"to home, {gap}" for gap in _BY_GAP), "from home, gap to 2"),
    *(f"information, gap to {gap}" for gap in REACHES),
    *("information, first of day", "pairs of the hour, gap to 2", "pairs of the hour, gap to 8"),
)

Part = Literal["smoothed votes", "occupancy votes", "places", "products", "pairs of the hour"]
PARTS: dict[str, tuple[str, ...]] = {  # columns that can be left out of a fit together, to see what they are worth
    "smoothed votes": tuple(name for name in UNARY if name.startswith("near_")),
    "occupancy votes": tuple(name for name in UNARY if name in _VOTES_OF_DAYS),
    "places": (*SHARES, *LEVELS),
    "products": tuple(name for name in UNARY if " x " in name),
    "pairs of the hour": tuple(name for name in TRANSITIONS if name.startswith("pairs of the hour")),
}


def rows_of(parts: Sequence[str]) -> np.ndarray:
    """Return the columns of these parts as indices into UNARY followed by TRANSITIONS."""
    names = {name for part in parts for name in PARTS[part]}
    return np.flatnonzero([name in names for name in (*UNARY, *TRANSITIONS)])


@dataclass(frozen=True)
class Weights:
    """Two fits: ``alone`` (len(UNARY),) without transitions; ``joint`` and ``transitions`` (len(TRANSITIONS),)."""

    alone: np.ndarray
    joint: np.ndarray
    transitions: np.ndarray

    @property
    def size(self) -> int:
        """How many weights there are."""
        return len(self.alone) + len(self.joint) + len(self.transitions)

    def mixed(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Return unary and transition weights: ``share`` of the joint fit, the rest of the other; none at 0."""
        unary = (1 - share) * self.alone + share * self.joint
        return unary, share * self.transitions if share else np.zeros(0)

    def save(self, path: Path) -> None:
        """Write the weights by name."""
        named = {
            "alone": dict(zip(UNARY, self.alone.tolist(), strict=True)),
            "joint": dict(zip(UNARY, self.joint.tolist(), strict=True)),
            "transitions": dict(zip(TRANSITIONS, self.transitions.tolist(), strict=True)),
        }
        write_text(path, json.dumps(named, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read what save wrote. Raises UserError where a weight is missing, unknown or no number."""
        named = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            _column(named, "alone", UNARY, path),
            _column(named, "joint", UNARY, path),
            _column(named, "transitions", TRANSITIONS, path),
        )


def _column(named: dict[str, dict[str, float]], part: str, names: tuple[str, ...], path: Path) -> np.ndarray:
    """Return one part's weights in the order of the names."""
    given = named.get(part, {})
    wrong = sorted(set(names) ^ set(given)) or [name for name in names if not _is_number(given[name])]
    if wrong:
        raise UserError(f"{path}: {part}: weight '{wrong[0]}' is missing, unknown or not a number; fit the model again")
    return np.array([given[name] for name in names], np.float64)


def _is_number(value: object) -> bool:
    """Tell whether a value of the file is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))
