"""``city_X.yaml``: what stands beside a city's rows and cannot be told from them: grid, slots, calendar, place.

    width: 200
    height: 200
    cell_km: 0.5
    slots_per_day: 48
    first_weekday: sunday   # of day 0
    weekend: [saturday, sunday]
    off_days: [1, 8]        # further off-days, by number
    uids_a_user: 1          # above 1: so many uids are windows of one user, uid // uids_a_user
    frame: {crs: EPSG:32650, left: 400000.0, top: 4500000.0}

What is left out is as in HuMob. ``frame`` says where on the earth the grid lies; nothing needs it but a second
conversion to the same grid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bench.data.worldfile import WorldSpec
from bench.errors import UserError
from bench.files import write_text


class FrameSpec(BaseModel):
    """Where the grid lies: a projection as pyproj reads it (null: plain metres), left and upper edge in metres."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crs: str | None
    left: float
    top: float


class CityFile(WorldSpec):
    """The description of one city."""

    frame: FrameSpec | None = None


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
    plain = city.model_dump(mode="json")
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120))


def beside(rows: Path) -> Path:
    """Return where the description of ``city_X.csv.gz`` (.csv, .parquet) stands: ``city_X.yaml`` beside it."""
    return rows.with_name(f"{rows.name.partition('.')[0]}.yaml")
