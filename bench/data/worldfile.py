"""Grid and calendar as people write them: in a protocol, and in the file ``city_X.yaml`` beside a city's rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator, model_validator

from bench.data.world import WEEKDAYS, Calendar, Grid, World

MOST_CELLS = 2**15 - 1  # cells are int16
MINUTES = 1440

Weekday = Literal["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
Day = Annotated[StrictInt, Field(ge=0, le=9999)]
Cells = Annotated[StrictInt, Field(ge=1, le=MOST_CELLS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GridSpec(_Part):
    """A city's grid and slots; HuMob's where nothing is said."""

    width: Cells = 200
    height: Cells = 200
    cell_km: Annotated[float, Field(gt=0, le=100)] = 0.5
    slots_per_day: StrictInt = Field(48, ge=1, description="equal timeslots of whole minutes")

    @field_validator("slots_per_day")
    @classmethod
    def _whole_minutes(cls, slots: int) -> int:
        if MINUTES % slots:
            raise ValueError(f"{slots} slots a day do not last whole minutes; give a divisor of {MINUTES}")
        return slots

    def grid(self) -> Grid:
        """Return the grid."""
        return Grid(self.width, self.height, float(self.cell_km), self.slots_per_day)


class Break(_Part):
    """Days that pass between day ``after`` and the next day of the data."""

    after: Day
    days: Annotated[StrictInt, Field(ge=1)]


class CalendarSpec(_Part):
    """A city's calendar. Unsaid: day 0 is a Sunday, Saturdays and Sundays are off, nothing else is."""

    first_weekday: Weekday = Field("sunday", description="of day 0")
    weekend: tuple[Weekday, ...] = Field(("saturday", "sunday"), description="empty: no weekday is off as such")
    off_days: tuple[Day, ...] = Field((), description="days that are off beside the weekend: holidays")
    breaks: tuple[Break, ...] = Field((), description="days that the data leave out and do not count")

    @model_validator(mode="after")
    def _breaks_in_order(self) -> CalendarSpec:
        after = [pause.after for pause in self.breaks]
        if after != sorted(set(after)):
            raise ValueError(f"breaks come after days {after}; give them in order, one after a day")
        return self

    def calendar(self) -> Calendar:
        """Return the calendar."""
        return Calendar(
            weekend=frozenset(WEEKDAYS.index(day) for day in self.weekend),
            holidays=frozenset(self.off_days),
            first_weekday=WEEKDAYS.index(self.first_weekday),
            breaks=tuple((pause.after, pause.days) for pause in self.breaks),
        )


class WorldSpec(GridSpec, CalendarSpec):
    """All of a city's frame, as ``city_X.yaml`` holds it."""

    uids_a_user: StrictInt = Field(1, ge=1, description="uids of one user, whose windows they are: uid // uids_a_user")
    people: str = Field("", description="another city, whose people these are on another grid")

    def world(self) -> World:
        """Return the world."""
        return World(self.grid(), self.calendar(), self.uids_a_user, self.people)

    @classmethod
    def of(cls, world: World) -> Self:
        """Return what to write of a world; :meth:`world` gives the same again."""
        grid, calendar = world.grid, world.calendar
        plain: dict[str, Any] = {
            "width": grid.width,
            "height": grid.height,
            "cell_km": grid.cell_km,
            "slots_per_day": grid.slots,
            "first_weekday": WEEKDAYS[calendar.first_weekday],
            "weekend": tuple(WEEKDAYS[day] for day in sorted(calendar.weekend)),
            "off_days": tuple(sorted(calendar.holidays)),
            "breaks": tuple({"after": after, "days": days} for after, days in calendar.breaks),
            "uids_a_user": world.uids_a_user,
            "people": world.people,
        }
        return cls.model_validate(plain)
