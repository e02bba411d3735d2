"""From a study's storage and records to its outcome; the chosen few are scored on test users here, and only here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.leaderboard import facts
from bench.study.outcome.mixes import CITIES, context_of, name_of, players
from bench.study.outcome.outcome import NOTHING, Outcome, Trial, best_of, importances, panel, read_trials
from bench.study.search.evaluate import TEST, Evaluator, Failed, Scored
from bench.study.search.work import score_point
from bench.study.spec.placing import VALIDATION
from bench.study.spec.schema import Study

if TYPE_CHECKING:
    import optuna


def gather(study: Study, opened: optuna.Study, evaluator: Evaluator, *, test: bool) -> Outcome:
    """Read the trials and score the empty set of cities; with ``test``, score winner, all cities and empty set."""
    trials = read_trials(opened)
    done = [trial for trial in trials if trial.scored]
    nothing, why = _try(study, evaluator, None) if done else (None, "")
    named = {name_of(trial): trial.scored for trial in done if trial.scored} | ({NOTHING: nothing} if nothing else {})
    cases = dict.fromkeys(cost for scored in named.values() for _city, _seed, cost in scored.cases)
    _list_cases(study, evaluator, list(cases))
    records = [record for case in cases if (record := evaluator.run().read(case))]
    outcome = Outcome(
        study=study,
        trials=trials,
        best=frozenset(trial.number for trial in opened.best_trials) if done else frozenset(),
        importances=importances(opened, study),
        nothing=nothing,
        panels=tuple(panel(metric, named, evaluator.run()) for metric in study.metrics) if named else (),
        rests=facts.gather(records),
        hardware=tuple(dict.fromkeys(map(facts.hardware_of, records))),
        alone=all(record.cost.alone for record in records if record.cost),
        lacks=(f"{NOTHING} has no scores: {why}",) if why else (),
    )
    return _tested(outcome, evaluator) if test and done else outcome


def _list_cases(study: Study, evaluator: Evaluator, cases: list[str]) -> None:
    """Let the manifest of the validation records name those of all trials, so that bench report can read them."""
    wanted = study.protocol
    name = f"{wanted.name}.{VALIDATION}"
    evaluator.run().write_manifest(protocol=name, version=wanted.version, scale=wanted.scale, cases=cases)


def chosen(outcome: Outcome) -> dict[str, Trial | None]:
    """Return the few that are tested: the winner, all cities as the winner has them, and no city at all."""
    winner = best_of(outcome, outcome.done)
    found: dict[str, Trial | None] = {"winner": winner}
    axis = next((axis for axis in outcome.study.axes if axis.name == CITIES), None)
    if axis is not None:
        everyone = set(players(outcome.study))
        like = context_of(outcome.study, winner)
        for trial in outcome.done:
            if set(axis.value(trial.point[CITIES])) == everyone and context_of(outcome.study, trial) == like:
                found["all cities"] = trial
    if outcome.nothing:
        found[NOTHING] = None
    return found


def _tested(outcome: Outcome, evaluator: Evaluator) -> Outcome:
    tested, lacks = {}, list(outcome.lacks)
    for name, trial in chosen(outcome).items():
        scored, why = _try(outcome.study, evaluator, trial, test=True)
        if scored:
            tested[name] = trial.label if trial else outcome.bare, scored
        else:
            lacks.append(f"{name} has no scores on test users: {why}")
    scores = {name: scored for name, (_label, scored) in tested.items()}
    panels = tuple(panel(metric, scores, evaluator.run(TEST)) for metric in outcome.study.metrics) if tested else ()
    return replace(outcome, tested=tested, test_panels=panels, lacks=tuple(lacks))


def _try(study: Study, evaluator: Evaluator, trial: Trial | None, *, test: bool = False) -> tuple[Scored | None, str]:
    """Score a point, or no city (None); return the scores, or why there are none."""
    try:
        return score_point(study, evaluator, trial.point if trial else None, test=test), ""
    except Failed as error:
        return None, str(error)
