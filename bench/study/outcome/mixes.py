"""Studies of cities: what a city is worth, what it adds, the best mix for a budget, learning curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bench.study.outcome.comparisons import ALL, Estimate, Panel
from bench.study.outcome.outcome import Outcome, Trial, best_of
from bench.study.outcome.values import marginal, shapley, subsets
from bench.study.search.finalists import NOTHING
from bench.study.spec.points import CITIES, USERS, labels, volume
from bench.study.spec.schema import Study


@dataclass(frozen=True)
class Context:
    """All subsets of cities with everything else equal. names: subset -> the trial's name in panels."""

    label: str
    players: tuple[str, ...]
    names: dict[frozenset[str], str]
    lacking: int  # subsets without scores

    @property
    def whole(self) -> str:
        """Name of all cities together."""
        return self.names[frozenset(self.players)]


@dataclass(frozen=True)
class CityValue:
    """A city's Shapley value for a target city (or all), or what it adds to another alone."""

    metric: str
    context: str
    target: str
    city: str
    given: str | None  # None: Shapley value; the city itself: added to nothing
    estimate: Estimate


@dataclass(frozen=True)
class Budget:
    """The best trial within a number of trajectories, and its lead over the next."""

    trajectories: int
    best: Trial
    score: Estimate
    second: Trial | None
    ahead: Estimate | None


def players(study: Study) -> tuple[str, ...]:
    """Return the cities whose subsets a study tries, if it does."""
    axis = next((axis for axis in study.axes if axis.name == CITIES), None)
    return tuple(dict.fromkeys(city for value in axis.values.values() for city in value)) if axis else ()


def contexts(outcome: Outcome) -> list[Context]:
    """Group the trials that differ only in their cities; empty if no trial learned from any."""
    axis = next((axis for axis in outcome.study.axes if axis.name == CITIES), None)
    if axis is None or not any(map(trajectories, outcome.done)):
        return []
    everyone = players(outcome.study)
    groups: dict[str, dict[frozenset[str], Trial]] = {}
    for trial in in_order(outcome.study, outcome.done):
        groups.setdefault(context_of(outcome.study, trial), {})[frozenset(axis.value(trial.point[CITIES]))] = trial
    found = []
    for label, group in groups.items():
        names = {chosen: name_of(trial) for chosen, trial in group.items()}
        names |= {frozenset(): NOTHING} if outcome.nothing else {}
        lacking = sum(chosen not in names for chosen in subsets(everyone))
        found.append(Context(label, everyone, names, lacking))
    return found


def in_order(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """Sort trials by their choices' order in the file, not by who ran first."""

    def at(trial: Trial) -> list[Any]:
        choices = [(axis, trial.point[axis.name]) for axis in study.axes]
        return [list(axis.values).index(choice) if axis.values else choice for axis, choice in choices]

    return sorted(trials, key=at)


def name_of(trial: Trial) -> str:
    """A trial's name in panels."""
    return f"trial {trial.number}"


def trajectories(trial: Trial) -> int:
    """How many trajectories a trial took."""
    return trial.scored.trajectories if trial.scored else 0


def context_of(study: Study, trial: Trial) -> str:
    """Say what else a trial has than its cities, the number of trajectories first: it decides what is compared."""
    if USERS in trial.point:
        choice = trial.point[USERS]
    else:
        chosen = study.protocol.splits[0].users.train
        choice = chosen.n if chosen.kind == "count" else json.dumps({chosen.kind: chosen.n})
    rest = {name: label for name, label in labels(trial.point).items() if name not in (CITIES, USERS)}
    return ", ".join([volume(choice, "trajectories"), *(f"{name} {label}" for name, label in rest.items())])


def values(panel: Panel, context: Context) -> Iterator[CityValue]:
    """Yield each city's Shapley value for each target city and for all, from all subsets."""
    if context.lacking:
        return
    for target in (*panel.cities, ALL):
        for city, weights in _weights(context).items():
            yield CityValue(panel.metric, context.label, target, city, None, panel.estimate(weights, target))


def differences(panel: Panel, context: Context) -> dict[tuple[str, str, str], Estimate]:
    """Return how far one city's Shapley value is above another's: (target, higher, lower), each pair once.

    Both are resampled together, so the difference has a narrower interval than the two values.
    """
    if context.lacking:
        return {}
    worth, found = _weights(context), {}
    for target in (*panel.cities, ALL):
        for pair in combinations(context.players, 2):
            higher, lower = sorted(pair, key=lambda city: -panel.estimate(worth[city], target).value)
            less = {name: weight - worth[lower][name] for name, weight in worth[higher].items()}
            found[target, higher, lower] = panel.estimate(less, target)
    return found


def _weights(context: Context) -> dict[str, dict[str, float]]:
    """Return each city's Shapley value as weights on the subsets' scores; it is linear in them."""
    import numpy as np

    every = list(subsets(context.players))
    unit = dict(zip(every, np.eye(len(every)), strict=True))
    names = [context.names[chosen] for chosen in every]
    return {city: dict(zip(names, row.tolist(), strict=True)) for city, row in shapley(unit, context.players).items()}


def additions(panel: Panel, context: Context) -> Iterator[CityValue]:
    """Yield what each city adds to nothing and to each other one alone, over all target cities."""
    import numpy as np

    if any(frozenset(c) not in context.names for c in subsets(context.players) if len(c) <= 2):
        return
    some = [chosen for chosen in subsets(context.players) if len(chosen) <= 2]
    unit = dict(zip(some, np.eye(len(some)), strict=True))
    for (city, given), row in marginal(unit, context.players).items():
        weights = {context.names[c]: float(w) for c, w in zip(some, row, strict=True) if w}
        yield CityValue(panel.metric, context.label, ALL, city, given, panel.estimate(weights))


def budgets(outcome: Outcome) -> list[Budget]:
    """Return the best trial within each number of trajectories that occurs; empty if all trials took the same."""
    if not outcome.panels or not outcome.done:
        return []
    panel = outcome.panels[0]
    levels = sorted({trial.scored.trajectories for trial in outcome.done if trial.scored})
    found: list[Budget] = []
    for level in levels if len(levels) > 1 else []:
        within = [trial for trial in outcome.done if trial.scored and trial.scored.trajectories <= level]
        best = best_of(outcome.study, within)
        rest = [trial for trial in within if not _same(panel, trial, best)]
        second = best_of(outcome.study, rest) if rest else None
        ahead = panel.less(name_of(best), name_of(second)) if second else None
        found.append(Budget(level, best, panel.estimate({name_of(best): 1.0}), second, ahead))
    return found


def _same(panel: Panel, one: Trial, other: Trial) -> bool:
    """Whether two points asked for the same fit, as 240 in all and 240 a city do with one city."""
    return all(panel.values[name_of(one), city] == panel.values[name_of(other), city] for city in panel.cities)


def curves(outcome: Outcome) -> dict[str, list[Trial]]:
    """Return, for each mix with more than one number of trajectories, its trials in the order of that number."""
    groups: dict[str, dict[int, Trial]] = {}
    for trial in in_order(outcome.study, outcome.done):
        assert trial.scored is not None
        rest = {name: label for name, label in labels(trial.point).items() if name != USERS}
        label = ", ".join(v if k == CITIES else f"{k} {v}" for k, v in rest.items()) or outcome.study.model
        groups.setdefault(label, {})[trial.scored.trajectories] = trial
    if USERS not in {axis.name for axis in outcome.study.axes}:
        return {}
    return {label: [group[n] for n in sorted(group)] for label, group in groups.items() if len(group) > 1}
