"""A study as sections of text and tables, printed by the same code as a leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.evaluation import metrics
from bench.report import numbers
from bench.report.layout import Report, Section
from bench.report.numbers import NONE
from bench.report.tables import Table, make_table
from bench.study.outcome import mixes
from bench.study.outcome.comparisons import ALL, Panel
from bench.study.outcome.findings import details, headline, said_of_redundancy
from bench.study.outcome.mixes import CityValue, Context
from bench.study.outcome.outcome import DONE, FAILED, STATES, Outcome, Trial
from bench.study.outcome.wording import figure, interval, signed
from bench.study.search.evaluate import Scored
from bench.study.search.finalists import NOTHING
from bench.study.spec.points import CITIES, brief, labels
from bench.study.spec.schema import COSTS, TRAJECTORIES


def lay_out(outcomes: Sequence[Outcome], command: str) -> Report:
    """Turn the outcomes of a study's models into a report. It never compares models with each other.

    command: how to make it again.
    """
    several = len(outcomes) > 1
    said = [f"{outcome.study.model}: {line}" if several else line for outcome in outcomes for line in headline(outcome)]
    wanted = outcomes[0].study.protocol
    scale = f", scale {wanted.scale}" if wanted.scale != "default" else ""
    return Report(
        title=f"Study: {wanted.name}, version {wanted.version}{scale}",
        lines=(f"Made by {command}", *_opening(outcomes)),
        boards=(),
        findings=(Section("What the study says", tuple(said), ()),),
        facts=tuple(
            Section(outcome.study.model, (*_state(outcome), *details(outcome)), (_trials(outcome), *_facts(outcome)))
            for outcome in outcomes
        ),
    )


def _opening(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Say what is sought, on which users it is scored, and on which data."""
    study = outcomes[0].study
    wanted, spec = study.protocol, study.spec
    sought = ", ".join(f"{direction} {name}" for name, direction in spec.objectives.items())
    yield wanted.about
    yield f"Objectives: {sought}. Sampler: {spec.sampler.name}. Target cities: {', '.join(wanted.splits[0].test)}."
    yield (
        f"Trials are scored on up to {spec.asked} validation users of each target city, with seeds "
        f"{', '.join(map(str, wanted.seeds))}. Only the winner and its references are scored on test users, at the end."
    )
    yield (
        "Intervals are 95 %, over users and seeds. Where many pairs are compared, significance is at 5 % for the whole "
        "list (Holm). Scores are compared within one model only."
    )
    if any(mixes.contexts(outcome) for outcome in outcomes):
        yield said_of_redundancy()
    sources = dict.fromkeys(source for outcome in outcomes for source in outcome.rests.sources)
    windows = dict.fromkeys(window for outcome in outcomes for window in outcome.rests.windows)
    code = dict.fromkeys(text for outcome in outcomes for text in outcome.rests.code)
    if sources:
        yield f"Data: {'; '.join(sources)}. Windows: {'; '.join(windows)}. Code: {'; '.join(code)}."
    if any(outcome.rests.synthetic for outcome in outcomes):
        yield "The cities are synthetic: what holds here need not hold for real ones."


def _state(outcome: Outcome) -> Iterator[str]:
    study = outcome.study
    counts = {state: sum(trial.state == state for trial in outcome.trials) for state in STATES}
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    yield f"{len(outcome.trials)} of {study.total} trials have ended: {', '.join(parts) or 'none'}."
    if len(outcome.trials) < study.total:
        yield "Unfinished: the same command resumes it."
    for results, users in ((outcome.references, "validation"), (outcome.tested, "test")):
        yield from (f"No scores for {name} on {users} users: {r.why}" for name, r in results.items() if not r.scored)
    yield from _unranked_on_test_users(outcome)
    if outcome.done and not any(map(mixes.trajectories, outcome.done)):
        yield "The model does not learn from training users: cities and trajectories make no difference."
    costs = [name.replace("_", " ") for name in study.spec.objectives if name in COSTS]
    if costs and outcome.hardware:
        beside = "" if outcome.alone else ", while other trials ran: longer than alone"
        yield f"Costs ({', '.join(costs)}) were measured on {'; '.join(outcome.hardware)}{beside}."
    for panel in outcome.panels[:1]:
        bare = sum((mixes.name_of(trial), ALL) not in panel.samples for trial in outcome.trials if trial.scored)
        if bare:
            yield f"Trials without intervals: {bare}. Their per-user scores are missing, or they asked other users."
    for context in mixes.contexts(outcome):
        if context.lacking:
            sets = 2 ** len(context.players)
            yield f"No Shapley values, {context.label}: {context.lacking} of the {sets} sets of cities have no scores."


def _unranked_on_test_users(outcome: Outcome) -> Iterator[str]:
    winner = outcome.tested.get("winner")
    if winner and winner.scored and winner.scored.unranked:
        yield f"On test users a leaderboard would not rank the winner: {winner.scored.unranked}."


def _trials(outcome: Outcome) -> Table:
    study = outcome.study
    axes = [brief(axis.name) for axis in study.axes]
    others = [name for name in study.spec.objectives if name not in study.metrics]
    others += [TRAJECTORIES] if TRAJECTORIES not in others else []
    columns = [("#", False), *((axis, False) for axis in axes), ("", False)]
    columns += [(numbers.title(metric), True) for metric in study.metrics]
    columns += [(name.replace("_", " "), True) for name in others]

    def figures(scored: Scored, name: str) -> list[str]:
        return [*(figure(p, name) for p in outcome.panels), *(f"{scored.value(other):.4g}" for other in others)]

    rows = []
    for trial in mixes.in_order(study, outcome.trials) if study.in_order else outcome.trials:
        row = [str(trial.number), *labels(trial.point).values(), _mark(trial, outcome)]
        row += figures(trial.scored, mixes.name_of(trial)) if trial.scored else [NONE] * (len(columns) - len(row))
        rows.append(row)
    for name, result in outcome.references.items():
        if result.scored:
            rows.append([NONE, name, *[""] * len(axes), *figures(result.scored, name)])
    return make_table("Trials", columns, rows, list(_notes(outcome)))


def _mark(trial: Trial, outcome: Outcome) -> str:
    """Return a mark for what a reader must know about a trial."""
    kept = "start kept" if trial.scored and not trial.scored.learned else ""
    front = "*" if trial.number in outcome.best else ""
    return trial.state if trial.state != DONE else " ".join(filter(None, (front, kept)))


def _notes(outcome: Outcome) -> Iterator[str]:
    yield "* On the Pareto front: no other trial is better in one objective and at least as good in the rest."
    if any(trial.scored and not trial.scored.learned for trial in outcome.done):
        yield "Start kept: validation users rejected the fine-tuning. The model learned nothing."
    if outcome.nothing:
        yield f"{NOTHING}: the empty set of cities, {outcome.bare}."
    if outcome.floor:
        yield f"{', '.join(name for name in outcome.references if name != NOTHING)}: models without training."
    for trial in outcome.trials:
        if trial.why:
            yield f"Trial {trial.number} {trial.why if trial.state == FAILED else f'is {trial.state}: {trial.why}'}"


def _facts(outcome: Outcome) -> Iterator[Table]:
    groups = mixes.contexts(outcome)
    for panel in outcome.panels:
        for context in groups:
            yield from _values(panel, context)
    if outcome.panels:
        yield from _budgets(outcome)
        yield from _curves(outcome)
    if outcome.importances and len(outcome.study.axes) > 1:
        yield _importances(outcome)
    if outcome.tested:
        yield _tested(outcome)


def _values(panel: Panel, context: Context) -> Iterator[Table]:
    metric = numbers.title(panel.metric)
    unit = metrics.get(panel.metric)
    better = f"{metric}{f' in {unit.unit}' if unit.unit else ''}, {unit.better} is better"
    if not context.lacking:
        by = {(v.city, v.target): v for v in mixes.values(panel, context)}
        targets = (*panel.cities, ALL)
        rows = [[city, *(signed(by[city, t].estimate, panel.metric) for t in targets)] for city in context.players]
        whole = {context.whole: 1.0, NOTHING: -1.0}
        rows.append(["sum", *(signed(panel.estimate(whole, target), panel.metric) for target in targets)])
        heads = [("training city", False), *((f"for {target}", True) for target in targets)]
        notes = [
            f"The mean of what a city adds on arrival, over all orders of arrival; {better}.",
            f"The sum is the score of all cities minus that of {NOTHING}.",
        ]
        yield make_table(f"Shapley values, {context.label}, {metric}", heads, rows, notes)
    added = list(mixes.additions(panel, context))
    if added:
        yield _additions(added, context, metric, better)


def _additions(added: Sequence[CityValue], context: Context, metric: str, better: str) -> Table:
    by = {(value.city, value.given): signed(value.estimate, value.metric) for value in added}
    rows = [
        [city, by[city, city], *(NONE if given == city else by[city, given] for given in context.players)]
        for city in context.players
    ]
    heads = [("city", False), (f"to {NOTHING}", True), *((f"to {given}", True) for given in context.players)]
    notes = [f"The score of both cities minus that of the one already included; {better}; mean over target cities."]
    return make_table(f"What a city adds, {context.label}, {metric}", heads, rows, notes)


def _budgets(outcome: Outcome) -> Iterator[Table]:
    found = mixes.budgets(outcome)
    if not found:
        return
    metric = outcome.panels[0].metric
    rows = [
        [
            str(budget.trajectories),
            budget.best.label,
            str(mixes.trajectories(budget.best)),
            interval(budget.score, metric),
            budget.second.label if budget.second else NONE,
            signed(budget.ahead, metric) if budget.ahead else NONE,
        ]
        for budget in found
    ]
    heads = [("budget", True), ("best", False), ("takes", True), (numbers.title(metric), True)]
    notes = ["If the interval of the lead contains 0, best and next cannot be told apart."]
    yield make_table("Best for a budget of trajectories", [*heads, ("next", False), ("lead", True)], rows, notes)


def _curves(outcome: Outcome) -> Iterator[Table]:
    found = mixes.curves(outcome)
    rows = []
    for label, trials in found.items():
        for i, trial in enumerate(trials):
            name = mixes.name_of(trial)
            before = mixes.name_of(trials[i - 1])
            gains = [signed(panel.less(name, before), panel.metric) if i else NONE for panel in outcome.panels[:1]]
            rows.append([label, str(mixes.trajectories(trial)), *(figure(p, name) for p in outcome.panels), *gains])
    if rows:
        first = CITIES if mixes.players(outcome.study) else "with"
        heads = [(first, False), (TRAJECTORIES, True), *((numbers.title(p.metric), True) for p in outcome.panels)]
        yield make_table("Learning curves", [*heads, ("gain over the row above", True)], rows)


def _importances(outcome: Outcome) -> Table:
    names = [axis.name for axis in outcome.study.axes]
    rows = [
        [brief(name), *(numbers.share(found.get(name, 0.0)) for found in outcome.importances.values())]
        for name in names
    ]
    heads = [("parameter", False), *((name.replace("_", " "), True) for name in outcome.importances)]
    notes = ["Share of an objective's variation that a parameter explains (Optuna's PED-ANOVA)."]
    return make_table("Importance of each parameter", heads, rows, notes)


def _tested(outcome: Outcome) -> Table:
    rows = [
        [name, result.label, str(result.scored.trajectories), *(figure(panel, name) for panel in outcome.test_panels)]
        for name, result in outcome.tested.items()
        if result.scored
    ]
    heads = [("", False), ("what", False), (TRAJECTORIES, True)]
    heads += [(numbers.title(panel.metric), True) for panel in outcome.test_panels]
    notes = [
        "Test users take no part in the choice of the winner. On validation users a winner looks better than it is."
    ]
    return make_table("On test users", heads, rows, notes)
