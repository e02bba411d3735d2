"""A study's tables as CSV: every trial, every city's value, every figure in a column of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from bench.report.tables import sheet
from bench.study.outcome import mixes
from bench.study.outcome.comparisons import ALL, Estimate
from bench.study.outcome.outcome import Outcome


def trials(outcomes: Sequence[Outcome]) -> str:
    """Return all trials: point, state, objectives, and each metric for each target city with its interval."""
    rows: list[dict[str, object]] = []
    for outcome in outcomes:
        for trial in outcome.trials:
            row: dict[str, object] = {"model": outcome.study.model, "trial": trial.number, "state": trial.state}
            row |= {"reason": trial.why, "front": int(trial.number in outcome.best), **trial.point}
            if trial.scored:
                objectives = [name for name in outcome.study.spec.objectives if name not in outcome.study.metrics]
                row |= {name: trial.scored.value(name) for name in ("trajectories", "fit_seconds", *objectives)}
                row |= {"learned": int(trial.scored.learned)}
                for panel in outcome.panels:
                    for city in (ALL, *panel.cities):
                        estimate = panel.estimate({mixes.name_of(trial): 1.0}, city)
                        row |= _figures(f"{panel.metric}|{city}", estimate)
            rows.append(row)
    return _table(rows)


def city_values(outcomes: Sequence[Outcome]) -> str:
    """Return Shapley values and what each city adds to another; ``given`` is empty for Shapley values."""
    rows: list[dict[str, object]] = []
    for outcome in outcomes:
        for panel in outcome.panels:
            for context in mixes.contexts(outcome):
                for value in (*mixes.values(panel, context), *mixes.additions(panel, context)):
                    given = "nothing" if value.given == value.city else value.given
                    row: dict[str, object] = {"model": outcome.study.model, "metric": value.metric}
                    row |= {"context": value.context, "kind": "shapley" if value.given is None else "adds"}
                    row |= {"city": value.city, "given": given, "target": value.target}
                    rows.append({**row, **_figures("", value.estimate)})
    return _table(rows)


def _figures(name: str, estimate: Estimate) -> dict[str, object]:
    prefix = f"{name}|" if name else ""
    return {f"{prefix}{part}": getattr(estimate, part) for part in ("value", "low", "high")}


def _table(rows: Iterable[Mapping[str, object]]) -> str:
    found = list(rows)
    columns = list(dict.fromkeys(key for row in found for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in found:
        writer.writerow({key: _plain(value) for key, value in row.items()})
    return text.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}"
    return sheet(value) if isinstance(value, str) else value
