"""The section ``study`` of a study file, and the frozen objects made from it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt, model_validator

from bench.protocol.schema import Part, Protocol
from bench.protocol.values import Positive
from bench.protocol.yamlfile import Node, describe

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

COSTS = ("fit_seconds", "predict_seconds", "latency_median_s", "latency_p95_s", "throughput_per_s", "peak_memory_mb")
TRAJECTORIES = "trajectories"
DIRECTIONS = ("maximize", "minimize")
GRID = "BruteForceSampler"  # Optuna's name; the points of its grid are tried in order
LISTED = 100_000  # points of a space that are listed at most
Choice = str | int | float | bool | None  # what Optuna stores
Point = dict[str, Choice]  # axis -> choice


def _direction(given: Any) -> Any:
    if given not in DIRECTIONS:
        raise ValueError(f"a direction is needed, maximize or minimize, not {describe(given)}")
    return given


class Named(Part):
    """One of Optuna's samplers or pruners with its arguments; YAML: ``NAME`` or ``{NAME: {argument: value}}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if isinstance(given, dict) and len(given) == 1:
            name, options = next(iter(given.items()))
            if isinstance(options, dict | None):
                return {"name": name, "options": options or {}}
        if isinstance(given, Named):
            return given
        raise ValueError(f"write NAME or {{NAME: {{argument: value}}}}, not {given!r}")


class StudySpec(Part):
    """The section ``study``. Samplers and pruners have Optuna's names and arguments."""

    asked: Annotated[StrictInt, Field(ge=1)] = Field(description="validation users per target city that score a trial")
    space: dict[str, Any] = Field(min_length=1, description="what varies: a list, {low, high, step, log}, {subsets}")
    objectives: dict[str, Annotated[str, BeforeValidator(_direction)]] = Field(
        min_length=1, description="metrics over validation users, costs or trajectories, each with its direction"
    )
    sampler: Named = Named.model_validate(GRID)
    pruner: Named = Named.model_validate("NopPruner")
    n_trials: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="trials in all; default: every point of a finite space"
    )
    timeout: Positive | None = Field(None, description="seconds after which no further trial begins")
    storage: str | None = Field(None, description="an Optuna URL or journal:FILE; default: SQLite in the run's folder")
    untuned: dict[str, Any] = Field(
        default_factory=dict, description="settings that leave a model untrained, e.g. epochs: 0"
    )


@dataclass(frozen=True)
class Axis:
    """One thing that varies. values: choice -> its value in the protocol; empty for a range of numbers."""

    name: str  # cities, shares.CITY, or a path in the protocol as --set has it
    place: str  # line of the file
    distribution: BaseDistribution
    values: Mapping[Choice, Any]

    def value(self, choice: Choice) -> Any:
        """Return what a choice puts into the protocol."""
        return self.values[choice] if self.values else choice


@dataclass(frozen=True, eq=False)
class Study:
    """One model's study: a document whose parts the axes replace, and its objectives.

    protocol: the file's own, with only this model; cities: those that can train.
    """

    document: Node
    protocol: Protocol
    spec: StudySpec
    axes: tuple[Axis, ...]

    @property
    def model(self) -> str:
        """The model's name in tables."""
        return self.protocol.models[0].name

    @property
    def name(self) -> str:
        """Optuna's name of the study."""
        wanted = self.protocol
        return f"{wanted.name} {wanted.version} {wanted.scale} {self.model}"

    @property
    def cities(self) -> tuple[str, ...]:
        """The cities that can train."""
        return self.protocol.splits[0].train.cities

    @property
    def untuned(self) -> dict[str, Any]:
        """The file's untuned settings for this model."""
        model = self.protocol.models[0]
        mine = tuple(f"models.{name}." for name in (model.name, model.use))
        return {path: value for path, value in self.spec.untuned.items() if path.startswith(mine)}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The objectives that are scores of users; the protocol's main metric if there is none."""
        found = tuple(name for name in self.spec.objectives if name not in (*COSTS, TRAJECTORIES))
        return found or (self.protocol.metrics.main,)

    @property
    def size(self) -> int | None:
        """The number of points; None for an infinite space."""
        lists = [choices(axis) for axis in self.axes]
        return None if None in lists else prod(len(found or ()) for found in lists)

    @property
    def total(self) -> int:
        """The number of trials sought; a finite space has no more than its points."""
        found = [count for count in (self.spec.n_trials, self.size) if count is not None]
        return min(found)  # reading.py refuses an endless space without a total

    @property
    def in_order(self) -> bool:
        """Whether the points of a grid are tried in order, not as a sampler proposes."""
        return self.spec.sampler.name == GRID

    def points(self) -> list[Point]:
        """Return the points that can be listed, the last axis varying fastest: those of a grid that are to be tried,
        every point of another sampler's finite space, none where these are endless or more than LISTED.
        """
        if self.size is None or (self.size > LISTED and not self.in_order):
            return []
        names = [axis.name for axis in self.axes]
        lists = [choices(axis) or () for axis in self.axes]
        wanted = itertools.islice(itertools.product(*lists), self.total if self.in_order else None)
        return [dict(zip(names, values, strict=True)) for values in wanted]


def choices(axis: Axis) -> tuple[Choice, ...] | None:
    """Return all choices of an axis, or None if they cannot be counted."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = axis.distribution
    if isinstance(found, CategoricalDistribution):
        return tuple(found.choices)
    if isinstance(found, IntDistribution) and not found.log:
        return tuple(range(found.low, found.high + 1, found.step))
    if isinstance(found, IntDistribution):
        return tuple(range(found.low, found.high + 1))
    if isinstance(found, FloatDistribution) and found.step is not None:
        steps = round((found.high - found.low) / found.step)
        return tuple(found.low + i * found.step for i in range(steps + 1))
    return None


def text_of(value: Any) -> Choice:
    """Return a value as Optuna may store it: a scalar as it is, anything else as JSON."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
