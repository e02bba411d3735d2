"""What every adapter promises, as checks that anyone can run on their own model.

    bench check --adapter my_models:HomeOrWork --set k=3

In Python: ``conform(HomeOrWork, {"k": 3})``. Each check takes a Subject and raises Broken with what is wrong. The first
line of its docstring is the promise. ``CHECKS`` holds them all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.adapters.adapter import Adapter
from bench.adapters.conformance.answering import (
    company_does_not_matter,
    every_query_is_answered,
    inputs_stay_as_they_are,
    nobody_is_too_little,
    probabilities_look_at_nothing_that_comes_after,
    saving_keeps_everything,
    the_same_seed_gives_the_same_answers,
    the_truth_is_out_of_reach,
)
from bench.adapters.conformance.describing import (
    facts_are_scalars,
    importing_is_light,
    settings_can_be_handed_on,
    skip_gives_a_reason_or_none,
    the_class_is_described,
    unknown_settings_are_refused,
    usage_is_of_the_last_call,
)
from bench.adapters.conformance.subject import Broken, Subject

Check = Callable[[Subject], None]
CHECKS: tuple[Check, ...] = (
    the_class_is_described,
    unknown_settings_are_refused,
    settings_can_be_handed_on,
    importing_is_light,
    skip_gives_a_reason_or_none,
    every_query_is_answered,
    nobody_is_too_little,
    company_does_not_matter,
    the_same_seed_gives_the_same_answers,
    saving_keeps_everything,
    probabilities_look_at_nothing_that_comes_after,
    inputs_stay_as_they_are,
    the_truth_is_out_of_reach,
    facts_are_scalars,
    usage_is_of_the_last_call,
)


@dataclass(frozen=True)
class Outcome:
    """One promise and, if it is broken, how."""

    promise: str
    broken: str | None = None


def conform(adapter: type[Adapter], settings: Mapping[str, Any] | None = None) -> Iterator[Outcome]:
    """Run all checks on an adapter; yield one outcome per promise. Any error breaks the promise."""
    with tempfile.TemporaryDirectory() as scratch:
        subject = Subject(adapter, settings or {}, Path(scratch))
        for check in CHECKS:
            promise = str(check.__doc__).strip().splitlines()[0]
            try:
                check(subject)
            except Broken as error:
                yield Outcome(promise, str(error))
            except Exception as error:
                yield Outcome(promise, f"{type(error).__name__}: {' '.join(str(error).split())}")
            else:
                yield Outcome(promise)
