"""What a conversion may be told; every setting has a default or comes from a named layout."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.data.world import WEEKDAYS
from bench.data.worldfile import MOST_CELLS, Weekday
from bench.errors import UserError, nearest

HUMOB_CELLS = (200, 200)
HUMOB_CELL_M = 500.0
MINUTES = 1440
WIDEST_M = 100_000.0  # of a cell


class Settings(BaseModel):
    """How raw points become cells and slots."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    user: str | None = Field(None, description="column of the user; without one, each file is a user")
    time: str | None = Field(None, description="column of the time")
    lon: str | None = Field(None, description="column of the longitude in degrees")
    lat: str | None = Field(None, description="column of the latitude in degrees")
    x: str | None = Field(None, description="column of metres eastwards, in place of a longitude")
    y: str | None = Field(None, description="column of metres northwards, in place of a latitude")
    offset: str | None = Field(None, description="column of the local time's offset from UTC in minutes")
    visible: str | None = Field(None, description="column that is false where the data set marks a fix as an outlier")
    time_format: str | None = Field(None, description="of the time, as strptime has it; found where it is left out")
    timezone: str | None = Field(None, description="IANA name; local time decides slots and days")
    time_is: Literal["utc", "local"] = Field("utc", description="what a time without an offset is")
    earliest: date = Field(date(1980, 1, 6), description="no fix is older; by default the first day of GPS time")
    latest: date | None = Field(None, description="no fix is younger; by default tomorrow, for clocks ahead")
    max_kmh: float | None = Field(
        1200.0, gt=0, description="a fix that needs more speed to reach and to leave is a jump"
    )
    projection: str = Field("equal-area", description="equal-area (local), utm, or what pyproj reads, e.g. EPSG:32650")
    cell_m: float | None = Field(None, gt=0, le=WIDEST_M, description="side of a cell, 500 where nothing is said")
    cells: tuple[int, int] | None = Field(
        None, description="cells to the right and down; [200, 200] where nothing is said"
    )
    extent: tuple[float, float, float, float] | None = Field(
        None, description="west, south, east, north; in degrees, or in metres where x and y are given"
    )
    share: float = Field(0.99, gt=0, le=1, description="without an extent: the smallest that holds so many points")
    grid_of: str | None = Field(None, description="city_X.yaml of another city: the same grid at the same place")
    slot_minutes: int = Field(30, ge=1, le=MINUTES, description="length of a slot; it divides a day")
    rule: Literal["last", "majority", "longest"] = Field(
        "last", description="a slot's cell: of the last fix, of most fixes, or of the longest stay"
    )
    fill_minutes: int = Field(0, ge=0, description="gaps of at most so long, begun and ended in one cell, are a stay")
    first_day: date | None = Field(None, description="date of day 0; earlier fixes are dropped")
    first_weekday: Weekday = Field("sunday", description="weekday of day 0 where first_day is left out")
    window_days: int | None = Field(None, ge=1, description="days to keep; all where it is left out")
    windows: Literal["shared", "busiest", "all"] = Field(
        "shared",
        description="one window for all users, each user's busiest, or all of each user's, as users of their own",
    )
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    off_days: tuple[date, ...] = Field((), description="dates of further off-days")
    min_rows: int = Field(2, ge=1, description="users with fewer slots are dropped")
    min_days: int = Field(1, ge=1, description="users with slots on fewer days are dropped")

    @field_validator("slot_minutes")
    @classmethod
    def _divides(cls, minutes: int) -> int:
        if MINUTES % minutes:
            raise ValueError(f"{minutes} minutes do not divide a day of {MINUTES}")
        return minutes

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            _ = name and ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{name}' is no IANA time zone; write one such as Asia/Shanghai") from None
        return name

    @field_validator("cells")
    @classmethod
    def _few_cells(cls, cells: tuple[int, int] | None) -> tuple[int, int] | None:
        if cells and not all(1 <= n <= MOST_CELLS for n in cells):
            raise ValueError(f"1 to {MOST_CELLS} cells a side are possible")
        return cells

    @field_validator("extent")
    @classmethod
    def _box(cls, box: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if box and not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError("west, south, east, north are needed in this order")
        return box

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if self.extent and self.cell_m and self.cells:
            raise ValueError("extent, cell_m and cells: give two of them, the third follows")
        if self.grid_of and (self.extent or self.cell_m or self.cells or self.projection != "equal-area"):
            raise ValueError("grid_of brings extent, cells, cell_m and projection; leave them out")
        if self.windows != "shared" and self.window_days is None:
            raise ValueError(f"windows: {self.windows} needs window_days")
        if self.windows != "shared" and (self.off_days or self.first_day):
            raise ValueError(f"off_days and first_day need a calendar that users share, not windows: {self.windows}")
        if (self.x is None) != (self.y is None) or (self.lon is None) != (self.lat is None):
            raise ValueError("x and y, or lon and lat, belong together")
        if self.x and self.lon:
            raise ValueError("give columns of degrees (lon, lat) or of metres (x, y), not both")
        return self

    @property
    def slots(self) -> int:
        """Slots a day."""
        return MINUTES // self.slot_minutes

    @property
    def weekday(self) -> Weekday:
        """Weekday of day 0."""
        if self.first_day is None:
            return self.first_weekday
        return cast(Weekday, WEEKDAYS[self.first_day.isoweekday() % 7])


def read_options(options: Mapping[str, Any], where: str) -> Settings:
    """Return the settings that options give. Raises UserError with every fault, each under ``where``."""
    try:
        return Settings.model_validate(dict(options))
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(map(str, fault["loc"]))
            unknown = fault["type"] == "extra_forbidden"
            text = f"is no setting{nearest(key, Settings.model_fields)}" if unknown else fault["msg"]
            faults.append(
                f"{where}{key}: {text.removeprefix('Value error, ')}"
                if key
                else f"{where}{fault['msg'].removeprefix('Value error, ')}"
            )
        raise UserError(*faults) from None
