"""Kinds of synthetic cities, one data file each: how the people of such a city live, and what its figures stand beside.

A kind is an option of the source (``kinds: {B: car}``). It takes the place of a city's own habits; the city keeps its
name and its random numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError, nearest

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class City:
    """One synthetic city: number of towns, radius of the main one in cells, and what differs from city B's habits."""

    centres: int
    spread: float
    habits: dict[str, float]


@dataclass(frozen=True)
class Kind:
    """A kind of city. beside: its counterpart among the real cities (bench/data/real_cities.json); about: what it is,
    and which figures were followed or set by hand.
    """

    name: str
    about: str
    beside: str
    city: City


def kinds() -> tuple[str, ...]:
    """Names of the kinds."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def kind(name: str) -> Kind:
    """Read a kind. Raises UserError for an unknown one."""
    if name not in kinds():
        raise UserError(f"synthetic source: kind '{name}' is not known{nearest(str(name), kinds())}")
    given = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Kind(name, given["about"], given["beside"], City(given["centres"], given["spread"], given["habits"]))
