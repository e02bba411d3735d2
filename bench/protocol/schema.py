"""What a protocol is made of: frozen objects that refuse unknown keys and wrong types.

A file says only what its experiment is about. What most experiments share is a default here; ``bench check FILE
--resolved`` prints a file with all of them filled in.

bench/protocol/reading.py reads them from YAML; the plan and the splits use them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictInt, model_validator

from bench.adapters import registry
from bench.data.world import Window
from bench.data.worldfile import CalendarSpec, GridSpec
from bench.errors import nearest
from bench.evaluation.answers import Fallback
from bench.protocol.selection import Part, Selection, refuse_overlap
from bench.protocol.values import (
    Cities,
    Days,
    Label,
    Metric,
    Name,
    Positive,
    Share,
    each_once,
    known_model,
    known_source,
)

SCHEMA = 1


class CityCalendar(CalendarSpec):
    """A city's calendar as a protocol states it, in place of the source's."""

    learned: bool = Field(
        False, description="find the days off from training users; without any, from the test users' histories"
    )

    @model_validator(mode="after")
    def _one_way(self) -> CityCalendar:
        usual = CalendarSpec()
        given = [name for name in ("off_days", "weekend") if getattr(self, name) != getattr(usual, name)]
        if self.learned and given:
            raise ValueError(f"a learned calendar finds the days off itself: remove {' and '.join(given)}, or learned")
        return self


class DataSpec(Part):
    """Where the cities come from."""

    source: Annotated[str, AfterValidator(known_source)] = "synthetic"
    cities: Cities = Field(description="the cities that splits may name")
    seed: Annotated[StrictInt, Field(ge=0)] = Field(
        1, description="seed of the synthetic cities; another one draws other cities of the same kind"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="further arguments of the source, e.g. users per city"
    )
    grid: GridSpec | None = Field(None, description="the grid that every city must have; default: the data's own")
    calendar: dict[Name, CityCalendar] = Field(
        default_factory=dict, description="calendars by city, in place of the source's"
    )

    @model_validator(mode="after")
    def _known_cities(self) -> DataSpec:
        for city in self.calendar:
            if city not in self.cities:
                raise ValueError(f"calendar: city '{city}' is not among data.cities{nearest(city, self.cities)}")
        return self


class WindowSpec(Part):
    """The days seen and the days to predict, as YAML has them."""

    history: Days
    horizon: Days

    @model_validator(mode="after")
    def _horizon_follows(self) -> WindowSpec:
        if self.horizon[0] <= self.history[1]:
            raise ValueError(
                f"the horizon {list(self.horizon)} must follow the history {list(self.history)}; "
                f"let it begin on day {self.history[1] + 1} or later"
            )
        return self

    def window(self) -> Window:
        """Return the frame's own window."""
        return Window(self.history, self.horizon)


class UsersSpec(Part):
    """Who trains, validates and is tested; each number counts per city (bench/running/splits.py assigns the roles)."""

    train: Selection = Selection.model_validate("all")
    validate_: Selection = Field(Selection.model_validate(0), alias="validate")
    test: Selection = Selection.model_validate("all")
    roles: Literal["hash", "city"] = "hash"
    ask: Literal["points", "next_stay"] = Field(
        "points",
        description="every point of the horizon, or each user's next stay alone: the first one in another cell than "
        "the last known",
    )

    def by_role(self) -> dict[str, Selection]:
        """Return the selections by the name of their role."""
        return {"train": self.train, "validate": self.validate_, "test": self.test}

    @model_validator(mode="after")
    def _sensible(self) -> UsersSpec:
        for role, chosen in self.by_role().items():
            if (chosen.kind == "total" and role != "train") or (chosen.kind == "last" and role != "test"):
                only = {"total": "train", "last": "test"}[chosen.kind]
                raise ValueError(f"{role}: '{chosen.kind}' is for users.{only} only; give a number, all or uids")
            if chosen.kind == "count" and chosen.n == 0 and role != "validate":
                raise ValueError(f"{role}: at least one user is needed")
        refuse_overlap(self.by_role())
        return self


class TrainSpec(Part):
    """Training cities, first and last day seen, and for some cities only a share of the users."""

    cities: Cities
    days: Days
    shares: dict[Name, Share] = Field(default_factory=dict)


class TrainEntry(Part):
    """TrainSpec as YAML has it.

    days: by default the whole window, so training users are seen on the horizon's dates, as in the challenges.
    """

    cities: Cities
    days: Days | None = None
    shares: dict[Name, Share] = Field(default_factory=dict)

    def within(self, window: Window) -> TrainSpec:
        """Return it with its days."""
        days = self.days or (window.history[0], window.horizon[1])
        return TrainSpec(cities=self.cities, days=days, shares=self.shares)


class SplitEntry(Part):
    """A split as YAML has it; ``users`` replaces parts of the protocol's."""

    train: TrainEntry
    test: Cities
    users: dict[str, Any] = Field(default_factory=dict)


class SplitSpec(Part):
    """One fit's data and its test cities, complete: sweeps over users and windows are expanded."""

    train: TrainSpec
    test: tuple[str, ...]
    users: UsersSpec
    window: Window
    variant: str = Field("", description="what a sweep set, e.g. users.train=10")
    asked: int | None = Field(None, description="in a study: validation users per city to ask, in place of test users")

    @property
    def label(self) -> str:
        """What tables and errors call the split."""
        cities = f"{'+'.join(self.train.cities)} -> {', '.join(self.test)}"
        return f"{cities} ({self.variant})" if self.variant else cities

    @property
    def sees_horizon_dates(self) -> bool:
        """Whether training users are seen on days that test users are asked about."""
        return self.train.days[0] <= self.window.horizon[1] and self.train.days[1] >= self.window.horizon[0]


class ModelEntry(Part):
    """A model as YAML has it."""

    use: Annotated[str, AfterValidator(known_model)]
    name: Label | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class ModelSpec(Part):
    """An adapter, its name in tables and the settings that differ from the defaults."""

    use: str
    name: str
    settings: dict[str, Any] = Field(default_factory=dict)


class MetricsSpec(Part):
    """The metric that ranks, and others to show."""

    main: Metric
    also: Annotated[tuple[Metric, ...], AfterValidator(each_once)] = ()

    @model_validator(mode="after")
    def _main_once(self) -> MetricsSpec:
        if self.main in self.also:
            raise ValueError(f"{self.main} is already the main metric; remove it from also")
        return self


METRICS = MetricsSpec(main="geobleu@humob24", also=("dtw@humob24", "geobleu@giscup25", "dtw@fixed"))


class AnswersSpec(Part):
    """How gaps are filled, and the share of filled answers above which a case is shown but not ranked."""

    fallback: Fallback = "last_cell"
    most_filled: Annotated[float, Field(ge=0, le=1)] = 0.05


class LimitsSpec(Part):
    """Seconds after which a case is stopped and counted as failed; null: no limit."""

    fit_seconds: Positive | None = 600
    predict_seconds: Positive | None = 600


Seeds = Annotated[tuple[Annotated[StrictInt, Field(ge=0)], ...], Field(min_length=1), AfterValidator(each_once)]


class Protocol(Part):
    """A whole experiment: models x splits x seeds, what to predict, and how to score."""

    schema_version: int
    name: str
    version: int
    about: str
    data: DataSpec
    window: Window
    splits: tuple[SplitSpec, ...]
    users: UsersSpec
    models: tuple[ModelSpec, ...]
    floor: bool = True
    metrics: MetricsSpec
    answers: AnswersSpec
    seeds: tuple[int, ...]
    limits: LimitsSpec
    scale: str
    notes: tuple[str, ...] = Field((), description="what a reader should know before running it")


def with_floor(models: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
    """Add the floor models, which every leaderboard shows, unless they are there already."""
    lacking = [name for name in registry.FLOOR if name not in {word for m in models for word in (m.use, m.name)}]
    return models + tuple(ModelSpec(use=name, name=name) for name in lacking)


def field_names(model: Any, path: Iterable[str | int]) -> list[str]:
    """Return the keys that the part at ``path`` below a model knows; empty if unknown."""
    for key in path:
        fields = getattr(model, "model_fields", {})
        model = fields[key].annotation if key in fields else None
    fields = getattr(model, "model_fields", {})
    return [info.alias or name for name, info in fields.items()]
