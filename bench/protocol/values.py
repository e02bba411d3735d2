"""Values of a protocol: days, names, cities, metrics, models and sources, each with its check."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from bench.adapters import registry
from bench.data.sources import KINDS
from bench.errors import nearest


def in_order(days: tuple[int, int]) -> tuple[int, int]:
    """Return the days. Raises ValueError unless the first is 0 or more and not after the last."""
    if not 0 <= days[0] <= days[1]:
        raise ValueError(f"[first day, last day] with 0 <= first <= last is needed, not {list(days)}")
    return days


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values. Raises ValueError if one appears twice."""
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} appears more than once; keep one")
    return values


def known_metric(name: str) -> str:
    """Return the name. Raises ValueError, with the nearest name, if there is no such metric."""
    from bench.evaluation import metrics

    known = [*metrics.names(), *metrics.OF_PROBABILITIES]
    if name not in known:
        raise ValueError(f"metric '{name}' is not known{nearest(name, known)}")
    return name


def known_model(name: str) -> str:
    """Return the name. Raises ValueError, with the nearest name, if there is no such model."""
    if name not in registry.names():
        raise ValueError(f"model '{name}' is not known{nearest(name, registry.names())}")
    return name


def known_source(spec: str) -> str:
    """Return the source. Raises ValueError if its kind is unknown or its folder is missing."""
    kinds = {kind.partition(":")[0]: kind for kind in KINDS}
    kind, colon, rest = spec.partition(":")
    if kind not in kinds:
        raise ValueError(f"source '{spec}' is not known{nearest(kind, kinds)}")
    if ":" in kinds[kind] and not rest:
        raise ValueError(f"source '{spec}' lacks its folder; write {kinds[kind]}")
    if ":" not in kinds[kind] and colon:
        raise ValueError(f"source '{kind}' takes nothing after it; write {kind}")
    return spec


Days = Annotated[tuple[StrictInt, StrictInt], AfterValidator(in_order)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\r\n|]+$")]  # fits into a table
Cities = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(each_once)]
Metric = Annotated[str, AfterValidator(known_metric)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
