"""What is scored beside the trials: references on the trials' users, and at the end the chosen few on test users.

This trains where a fit is missing; collecting what a study found (outcome/gather.py) only reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.adapters import registry
from bench.errors import UserError
from bench.study.search.evaluate import TEST, Evaluator, Failed, Scored
from bench.study.spec.placing import VALIDATION, place, protocol_at, protocol_of_floor
from bench.study.spec.schema import Point, Study

if TYPE_CHECKING:
    from bench.study.search.driver import OnValidationScore

NOTHING = "nothing"  # the empty set of cities


@dataclass(frozen=True)
class Candidate:
    """Something to score: a floor model by its name, else a point, else the empty set of cities. label: for readers."""

    label: str
    point: Point | None = None
    floor: str | None = None


@dataclass(frozen=True)
class Result:
    """What scoring a candidate gave: its scores, or why there are none."""

    label: str
    scored: Scored | None
    why: str = ""


def score_point(
    study: Study,
    evaluator: Evaluator,
    point: Point | None,
    *,
    test: bool = False,
    on_validation_score: OnValidationScore | None = None,
) -> Scored:
    """Score a point, or the empty set of cities (None), on validation users or on test users. Raises Failed."""
    try:
        protocol = protocol_at(study, point, test=test)
    except UserError as error:  # choices that are well alone and not together
        raise Failed(str(error)) from None
    trains = point is not None and place(study.document, study.axes, point) is not None
    return evaluator.score(
        protocol, kind=TEST if test else VALIDATION, trains=trains, on_validation_score=on_validation_score
    )


def references(study: Study, bare: str) -> dict[str, Candidate]:
    """Name what every trial is compared with: the floor models, and no training (bare: what that is)."""
    return {NOTHING: Candidate(bare), **{name: Candidate(name, floor=name) for name in registry.FLOOR}}


def score_all(
    study: Study, evaluator: Evaluator, candidates: Mapping[str, Candidate], *, test: bool = False
) -> dict[str, Result]:
    """Score candidates on the trials' users, or on test users; what is scored already costs nothing."""
    return {name: _score(study, evaluator, candidate, test) for name, candidate in candidates.items()}


def _score(study: Study, evaluator: Evaluator, candidate: Candidate, test: bool) -> Result:
    try:
        if candidate.floor:
            protocol = protocol_of_floor(study, candidate.floor, test=test)
            return Result(candidate.label, evaluator.score(protocol, kind=TEST if test else VALIDATION))
        return Result(candidate.label, score_point(study, evaluator, candidate.point, test=test))
    except Failed as error:
        return Result(candidate.label, None, str(error))
