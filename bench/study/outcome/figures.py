"""A study's figures as SVG: Pareto front, values of the cities, learning curves (bench/report/charts/study.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.evaluation import metrics
from bench.files import write_text
from bench.report import numbers
from bench.report.charts import files, study
from bench.report.charts.style import Spec
from bench.study.outcome import mixes
from bench.study.outcome.comparisons import ALL, Estimate
from bench.study.outcome.outcome import Outcome, best_of
from bench.study.search.finalists import NOTHING
from bench.study.spec.points import CITIES
from bench.study.spec.schema import COSTS, TRAJECTORIES


def draw(outcome: Outcome, folder: Path) -> list[Path]:
    """Draw what the study has; return the files."""
    made = []
    for name, spec in charts(outcome).items():
        path = folder / f"{_file(outcome)}-{name}.svg"
        write_text(path, files.svg(spec))
        made.append(path)
    return made


def charts(outcome: Outcome) -> dict[str, Spec]:
    """Return the study's charts by name: front, cities, curves."""
    if not outcome.panels or not outcome.done:
        return {}
    found = {"front": _front(outcome)}
    groups = [context for context in mixes.contexts(outcome) if not context.lacking]
    if groups:
        found["cities"] = _cities(outcome, groups)
    if mixes.curves(outcome):
        found["curves"] = _curves(outcome)
    return found


def _file(outcome: Outcome) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in outcome.study.model)


def _front(outcome: Outcome) -> Spec:
    """The main score against the second objective or, without one, against trajectories.

    A bar is the interval of the difference from the best trial. If it crosses the line of the best, the two cannot be
    told apart.
    """
    panel, winner = outcome.panels[0], best_of(outcome.study, outcome.done)
    other = next((name for name in outcome.study.spec.objectives if name != panel.metric), TRAJECTORIES)
    trained = [trial for trial in outcome.done if mixes.trajectories(trial)] or outcome.done  # the rest are NOTHING
    rows = []
    for trial in trained:
        value = panel.values[mixes.name_of(trial), ALL]
        less = panel.less(mixes.name_of(trial), mixes.name_of(winner))
        at = mixes.trajectories(trial) if other == TRAJECTORIES else trial.scored.value(other) if trial.scored else 0
        name = str(trial.point.get(CITIES, f"#{trial.number}"))
        rows.append({"x": at, "name": name, "front": trial.number in outcome.best, **_around(value, less)})
    lines = {"best": panel.values[mixes.name_of(winner), ALL]}
    if outcome.nothing:
        lines |= _nothing(panel.values[NOTHING, ALL], rows)
    x_title = f"{TRAJECTORIES}; trials with as many stand side by side" if other == TRAJECTORIES else _named(other)
    return study.front(rows, f"{_score(outcome)}; bars: 95 % of the difference from the best", x_title, lines)


def _nothing(value: float, rows: list[dict[str, Any]]) -> Mapping[str, float]:
    """Return the empty set of cities as a line, if that leaves room for the trials."""
    low, high = min(row["value"] for row in rows), max(row["value"] for row in rows)
    room = 2 * (high - low)
    return {NOTHING: value} if low - room <= value <= high + room else {}


def _around(value: float, less: Estimate) -> dict[str, float]:
    """Return a difference's interval around a score; rounding swaps no ends, and an unknown one has no length."""
    if not less.known:
        return {"value": value, "low": value, "high": value}
    return {
        "value": value,
        "low": value - max(0.0, less.value - less.low),
        "high": value + max(0.0, less.high - less.value),
    }


def _cities(outcome: Outcome, groups: list[mixes.Context]) -> Spec:
    """Shapley values over all target cities, one bar per context."""
    rows = [
        {"city": found.city, "context": context.label, **_around(found.estimate.value, found.estimate)}
        for context in groups
        for found in mixes.values(outcome.panels[0], context)
        if found.target == ALL
    ]
    return study.cities(rows, _score(outcome))


def _curves(outcome: Outcome) -> Spec:
    """Score by number of trajectories, one line per mix."""
    panel = outcome.panels[0]
    rows = [
        {"x": mixes.trajectories(trial), "value": panel.values[mixes.name_of(trial), ALL], "group": label}
        for label, trials in mixes.curves(outcome).items()
        for trial in trials
    ]
    return study.curves(rows, _score(outcome))


def _score(outcome: Outcome) -> str:
    return numbers.title(outcome.panels[0].metric)


def _named(objective: str) -> str:
    """Name an objective with its unit."""
    if objective in COSTS:
        return objective.replace("_", " ")
    unit = metrics.get(objective).unit
    return f"{numbers.title(objective)}{f' in {unit}' if unit else ''}, mean over target cities"
