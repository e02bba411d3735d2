"""Numbers reported by others (results/published.yaml): checked, and shown apart from what was measured.

They appear only in reports on real data, only with metrics of a version that the report measured too, and only for
the same challenge and a city that was tested. On synthetic cities they would mislead, and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import UserError
from bench.leaderboard import Leaderboard
from bench.report import numbers
from bench.report.tables import Table, heading, make_table
from bench.shipped import shipped

PATH = shipped("results/published.yaml")
TITLE = "Reported by others, not measured here"
PLAIN = "plain"  # files city_X.csv.gz, which do not say whose they are

MetricName = Annotated[str, Field(pattern=r"^\w+@\w+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reported(_Part):
    """A table of somebody else's: the means over ``cities`` of ``users`` users each, one value a metric."""

    kind: Literal["reported"]
    about: str
    challenge: Literal["humob2023", "humob2024", "giscup2025"]
    cities: tuple[str, ...] = Field(min_length=1)
    users: int | None
    metrics: tuple[MetricName, ...] = Field(min_length=1)
    source: str
    scores: dict[str, tuple[float, ...]]

    @model_validator(mode="after")
    def _one_value_a_metric(self) -> Self:
        for model, values in self.scores.items():
            if len(values) != len(self.metrics):
                raise ValueError(f"{model} has {len(values)} values for {len(self.metrics)} metrics")
        return self


class Published(_Part):
    """The whole file."""

    version: Literal[1] = Field(alias="schema")
    sources: dict[str, str]
    tables: tuple[Reported, ...]

    @model_validator(mode="after")
    def _every_source_is_named(self) -> Self:
        if missing := sorted({table.source for table in self.tables} - set(self.sources)):
            raise ValueError(f"sources lacks {', '.join(missing)}")
        return self


def read(path: Path = PATH) -> Published:
    """Read and check the file. Raises UserError with every fault."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # six times as fast, where it was built
    try:
        return Published.model_validate(yaml.load(path.read_text(encoding="utf-8"), loader))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        faults = [f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UserError(*faults) from None


def fitting(published: Published, found: Leaderboard) -> list[Reported]:
    """Return the tables that may stand beside this leaderboard, with the metrics that it measured."""
    if found.facts.synthetic:
        return []
    challenges = {source.partition(":")[2] for source in found.facts.sources}
    tested = {city for board in found.cities for city in board.cities}
    fit = []
    for table in published.tables:
        shared = [i for i, metric in enumerate(table.metrics) if metric in found.metrics]
        if shared and tested & set(table.cities) and challenges & {table.challenge, PLAIN}:
            scores = {model: tuple(values[i] for i in shared) for model, values in table.scores.items()}
            fit.append(table.model_copy(update={"metrics": tuple(table.metrics[i] for i in shared), "scores": scores}))
    return fit


def reported(published: Published, found: Leaderboard) -> list[Table]:
    """Lay out what fits, one table for each set of metrics; empty if nothing does."""
    fit = fitting(published, found)
    return [
        _table([table for table in fit if table.metrics == metrics], metrics, published, found)
        for metrics in dict.fromkeys(table.metrics for table in fit)
    ]


def _table(tables: Iterable[Reported], metrics: tuple[str, ...], published: Published, found: Leaderboard) -> Table:
    tables = list(tables)
    marks = {source: str(i + 1) for i, source in enumerate(dict.fromkeys(table.source for table in tables))}
    columns = [("model", False), ("data", False), ("cities", False), ("users\na city", True)]
    columns += [(heading(found.metrics[metric]), True) for metric in metrics] + [("source", True)]
    rows = [
        [
            model,
            table.about,
            ", ".join(table.cities),
            "not said" if table.users is None else f"{table.users:,}",
            *(numbers.as_reported(value) for value in values),
            marks[table.source],
        ]
        for table in tables
        for model, values in table.scores.items()
    ]
    notes = ["Other users, other training, other hardware: not ranked, and no interval is known."]
    if any(source.endswith(f":{PLAIN}") for source in found.facts.sources):
        notes.append("These files do not say which challenge they are of: cities of one name may be different ones.")
    notes += [f"Source {mark}: {published.sources[source]}." for source, mark in marks.items()]
    return make_table(TITLE, columns, rows, notes)
