"""``city_X.yaml``: what stands beside a city's rows and cannot be told from them: grid, slots, calendar, place.

    schema: 1
    grid: {width: 200, height: 200, cell_km: 0.5}
    slots_per_day: 48
    calendar: {first_weekday: sunday, weekend: [saturday, sunday], off_days: [1, 8]}
    frame: {crs: EPSG:32650, left: 400000.0, top: 4500000.0}

``first_weekday`` is the weekday of day 0; ``off_days`` are numbers of days, besides weekends. ``frame`` is optional: it
says where on the earth the grid lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.data.world import Calendar, Grid, World
from bench.errors import UserError
from bench.files import write_text

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_CELLS = 2**15 - 1  # cells are int16

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GridPart(_Part):
    """Cells to the right and downwards, and a cell's side."""

    width: int = Field(ge=1, le=MOST_CELLS)
    height: int = Field(ge=1, le=MOST_CELLS)
    cell_km: float = Field(gt=0)


class CalendarPart(_Part):
    """The weekday of day 0, the days of the weekend, and other off-days by their numbers."""

    first_weekday: Weekday
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    off_days: tuple[int, ...] = ()

    def residues(self) -> frozenset[int]:
        """Return the weekend as residues of d % 7."""
        first = WEEKDAYS.index(self.first_weekday)
        return frozenset((WEEKDAYS.index(day) - first) % 7 for day in self.weekend)


class FramePart(_Part):
    """Where the grid lies: a projection as pyproj reads it (null: plain metres), left and upper edge in metres."""

    crs: str | None
    left: float
    top: float


class CityFile(_Part):
    """The description of one city."""

    schema_: Literal[1] = Field(1, alias="schema")
    grid: GridPart
    slots_per_day: int = Field(48, ge=1, le=1440)
    calendar: CalendarPart
    frame: FramePart | None = None

    def world(self) -> World:
        """Return the grid and the calendar as models and metrics see them."""
        grid = Grid(self.grid.width, self.grid.height, self.grid.cell_km, self.slots_per_day)
        return World(grid, Calendar(self.calendar.residues(), frozenset(self.calendar.off_days)))


def read_cityfile(path: Path) -> CityFile:
    """Read a description. Raises UserError with every fault."""
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return CityFile.model_validate(found)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UserError(*(f"{path}: {fault}" for fault in faults)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def write_cityfile(path: Path, city: CityFile) -> None:
    """Write a description, whole or not at all."""
    plain = city.model_dump(mode="json", by_alias=True, exclude_none=False)
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120))


def beside(rows: Path) -> Path:
    """Return where the description of ``city_X.csv.gz`` (.csv, .parquet) stands: ``city_X.yaml`` beside it."""
    return rows.with_name(f"{rows.name.partition('.')[0]}.yaml")
