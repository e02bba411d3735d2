"""Grids of synthetic cities: one for all, and further cities: the people of another one on a grid of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from bench.data.world import Grid
from bench.data.worldfile import GridSpec
from bench.errors import UserError, nearest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Variant(NamedTuple):
    """Whose people, on which grid."""

    of: str
    grid: Grid


def variants_of(cities: Sequence[str], grid: Mapping[str, Any], variants: Mapping[str, Any]) -> dict[str, Variant]:
    """Return every city's people and grid. Raises UserError on an unknown option, a wrong value or a taken name.

    grid: options of GridSpec for all cities; variants: name -> ``of`` and options of GridSpec.
    """
    every = _grid("option", grid, Grid())
    found = {city: Variant(city, every) for city in cities}
    if not isinstance(variants, Mapping):
        raise UserError(f"synthetic source: variants: a mapping NAME: {{of: CITY, ...}} is needed, not {variants!r}")
    for name, given in variants.items():
        place = f"variants.{name}"
        if not isinstance(given, Mapping) or given.get("of") not in cities:
            lacking = given.get("of") if isinstance(given, Mapping) else given
            raise UserError(f"synthetic source: {place}: of = {lacking!r} is no city{nearest(str(lacking), cities)}")
        if name in found or not NAME.fullmatch(str(name)):
            raise UserError(f"synthetic source: {place}: the name is taken, or no name; give it another one")
        options = {key: value for key, value in given.items() if key != "of"}
        found[str(name)] = Variant(given["of"], _grid(place, options, every))
    return found


def _grid(place: str, given: Mapping[str, Any], default: Grid) -> Grid:
    """Return the grid; one whose cells alone are given has the extent of the default."""
    try:
        spec = GridSpec.model_validate(dict(given))
        scale = default.cell_km / spec.cell_km if "cell_km" in given else 1.0
        known = {
            "width": max(1, round(default.width * scale)),
            "height": max(1, round(default.height * scale)),
            "cell_km": default.cell_km,
            "slots_per_day": default.slots,
        }
        return GridSpec.model_validate({**known, **given}).grid()
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"]))
        known_names = nearest(name, GridSpec.model_fields) if fault["type"] == "extra_forbidden" else ""
        raise UserError(f"synthetic source: {place}: {name}: {fault['msg']}{known_names}") from None
