"""From a study's storage and records to its outcome. Nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.leaderboard import facts
from bench.records.store import Run
from bench.study.outcome.comparisons import panel
from bench.study.outcome.mixes import context_of, name_of, players
from bench.study.outcome.outcome import Outcome, best_of, importances, read_trials
from bench.study.search.evaluate import Scored
from bench.study.search.finalists import NOTHING, Candidate, Result
from bench.study.spec.placing import VALIDATION
from bench.study.spec.points import CITIES
from bench.study.spec.schema import Study

if TYPE_CHECKING:
    import optuna


def collect(study: Study, opened: optuna.Study, references: Mapping[str, Result], run: Run) -> Outcome:
    """Read the trials. references: their comparisons; run: the records of both."""
    trials = read_trials(opened)
    named = {name_of(trial): trial.scored for trial in trials if trial.scored} | _scored(references)
    cases = list(dict.fromkeys(cost for scored in named.values() for _city, _seed, cost in scored.cases))
    wanted = study.protocol
    name = f"{wanted.name}.{VALIDATION}"
    run.write_manifest(protocol=name, version=wanted.version, scale=wanted.scale, cases=cases)  # for bench report
    records = [record for case in cases if (record := run.read(case))]
    return Outcome(
        study=study,
        trials=trials,
        best=frozenset(trial.number for trial in opened.best_trials),
        importances=importances(opened, study),
        references=references,
        panels=tuple(panel(metric, named, run) for metric in study.metrics) if named else (),
        rests=facts.gather(records),
        hardware=tuple(dict.fromkeys(map(facts.hardware_of, records))),
        alone=all(record.cost.alone for record in records if record.cost),
    )


def chosen(outcome: Outcome) -> dict[str, Candidate]:
    """Return what is scored on test users: the winner, all cities in its way, no city, and the best floor model."""
    if not outcome.done:
        return {}
    winner = best_of(outcome.study, outcome.done)
    found = {"winner": Candidate(winner.label, winner.point)}
    axis = next((axis for axis in outcome.study.axes if axis.name == CITIES), None)
    if axis is not None:
        everyone = set(players(outcome.study))
        like = context_of(outcome.study, winner)
        for trial in outcome.done:
            if set(axis.value(trial.point[CITIES])) == everyone and context_of(outcome.study, trial) == like:
                found["all cities"] = Candidate(trial.label, trial.point)
    if outcome.nothing:
        found[NOTHING] = Candidate(outcome.bare)
    if outcome.floor:
        found[outcome.floor] = Candidate(outcome.floor, floor=outcome.floor)
    return found


def with_tested(outcome: Outcome, tested: Mapping[str, Result], run: Run) -> Outcome:
    """Add the scores on test users; run: their records."""
    named = _scored(tested)
    panels = tuple(panel(metric, named, run) for metric in outcome.study.metrics) if named else ()
    return replace(outcome, tested=tested, test_panels=panels)


def _scored(results: Mapping[str, Result]) -> dict[str, Scored]:
    return {name: result.scored for name, result in results.items() if result.scored}
