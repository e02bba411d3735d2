"""A study as sections of text and tables, printed by the same code as a leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import metrics
from bench.report import numbers
from bench.report.layout import Report, Section
from bench.report.numbers import NONE
from bench.report.tables import Table, make_table
from bench.study import mixes
from bench.study.mixes import CITIES, CityValue, Context, signed
from bench.study.outcome import ALL, NOTHING, Estimate, Outcome, Panel, Trial, best_of
from bench.study.schema import TRAJECTORIES
from bench.study.work import labels

NO_INTERVAL = "the scores of users lie on another machine: no intervals here"


def lay_out(outcomes: Sequence[Outcome]) -> Report:
    """Turn the outcomes of a study's models into a report. Models are never compared with each other here."""
    first = outcomes[0].study
    wanted, spec = first.protocol, first.spec
    sought = ", ".join(f"{direction} {name}" for name, direction in spec.objectives.items())
    lines = [
        wanted.about,
        f"Sought: {sought}. Sampler: {spec.sampler.name}. Target cities: {', '.join(wanted.splits[0].test)}.",
        f"Trials are scored on {spec.asked} validation users of each target city at most, seeds "
        f"{', '.join(map(str, wanted.seeds))}; test users are asked once, for the chosen few.",
        "Intervals are 95 %, over users and seeds. Scores are compared within a model only.",
    ]
    if wanted.data.source == "synthetic":
        lines.append("Synthetic cities: what holds here need not hold for real ones.")
    boards, facts, said = [], [], []
    for outcome in outcomes:
        model = f"{outcome.study.model}: " if len(outcomes) > 1 else ""
        boards.append(Section(f"{model}trials", tuple(_state(outcome)), tuple(_trials(outcome))))
        said += [f"{model}{line}" for line in findings(outcome)]
        facts += [
            Section(model + table.title, (), (Table(model + table.title, *list(vars(table).values())[1:]),))
            for table in _facts(outcome)
        ]
    scale = f", scale {wanted.scale}" if wanted.scale != "default" else ""
    title = f"Study: {wanted.name}, version {wanted.version}{scale}"
    return Report(title, tuple(lines), tuple(boards), Section("What the study says", tuple(said), ()), tuple(facts))


def findings(outcome: Outcome) -> list[str]:
    """Say in sentences what the figures show; only what an interval carries is called a difference."""
    if not outcome.done or not outcome.panels:
        return ["No trial has scores yet."]
    panel, found = outcome.panels[0], []
    winner = best_of(outcome, outcome.done)
    name = mixes.name_of(winner)
    main = numbers.title(panel.metric)
    found.append(
        f"Best in {main} on validation users: {winner.label}, {figure(panel, name)} with "
        f"{_trajectories(winner)} trajectories."
    )
    if outcome.nothing:
        gain = panel.estimate({name: 1.0, NOTHING: -1.0})
        found.append(f"Against no training ({figure(panel, NOTHING)}): {signed(gain, panel.metric)}.")
    for context in mixes.contexts(outcome):
        if frozenset(context.players) in context.names and context.whole != name:
            gain = panel.estimate({name: 1.0, context.whole: -1.0})
            found.append(f"Against all cities ({context.label}): {signed(gain, panel.metric)}.")
        added = list(mixes.additions(panel, context))
        found += [f"{context.label}: {line}" for line in (mixes.redundancy(added) if added else [])]
    found += _test_findings(outcome)
    return found


def _test_findings(outcome: Outcome) -> Iterator[str]:
    for panel in outcome.test_panels[:1]:
        for other in ("all cities", "untuned"):
            if "winner" in outcome.tested and other in outcome.tested:
                gain = panel.estimate({"winner": 1.0, other: -1.0})
                yield f"On test users: winner less {other}: {signed(gain, panel.metric)}."


def _state(outcome: Outcome) -> Iterator[str]:
    study, counts = outcome.study, {"done": 0, "failed": 0, "pruned": 0}
    for trial in outcome.trials:
        counts[trial.state] += 1
    parts = [f"{count} {state}" for state, count in counts.items() if count]
    yield f"{len(outcome.trials)} of {study.total} trials have ended: {', '.join(parts) or 'none'}."
    if len(outcome.trials) < study.total:
        yield "Unfinished: the same command goes on from here."
    if any(panel.samples == {} for panel in outcome.panels):
        yield NO_INTERVAL


def _trials(outcome: Outcome) -> Iterator[Table]:
    study = outcome.study
    axes = [axis.name for axis in study.axes]
    others = [name for name in study.spec.objectives if name not in study.metrics]
    more = [TRAJECTORIES] if TRAJECTORIES not in others else []
    columns = [("#", False), *((axis, False) for axis in axes), ("front", False)]
    columns += [(numbers.title(metric), True) for metric in study.metrics]
    columns += [(name.replace("_", " "), True) for name in (*others, *more)]
    rows = []
    for trial in outcome.trials:
        front = {True: "*", False: ""}[trial.number in outcome.best] if trial.scored else trial.state
        row = [str(trial.number), *labels(trial.point).values(), front]
        if trial.scored:
            row += [figure(panel, mixes.name_of(trial)) for panel in outcome.panels]
            row += [f"{trial.scored.value(name):.4g}" for name in (*others, *more)]
        else:
            row += [NONE] * (len(columns) - len(row))
        rows.append(row)
    if outcome.nothing:
        rest = [f"{outcome.nothing.value(name):.4g}" for name in (*others, *more)]
        rows.append([NONE, NOTHING, *[""] * len(axes), *(figure(p, NOTHING) for p in outcome.panels), *rest])
    notes = ["* on the Pareto front: no other trial is better in one objective and no worse in the rest."]
    if outcome.nothing:
        state = "as the file's `untuned` has it" if study.spec.untuned else "the protocol's fallback alone"
        notes.append(f"{NOTHING}: the empty set of cities, {state}.")
    notes += [f"Trial {trial.number} {trial.why}" for trial in outcome.trials if trial.state == "failed"]
    yield make_table("Trials", columns, rows, notes)


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
    if context.lacking:
        notes = [
            f"{context.lacking} of the {2 ** len(context.players)} sets of cities have no scores: none can be had."
        ]
        yield make_table(f"Shapley values, {context.label}, {metric}", [("city", False)], [], notes)
    else:
        by = {(v.city, v.target): v for v in mixes.values(panel, context)}
        targets = (*panel.cities, ALL)
        rows = [[city, *(signed(by[city, t].estimate, panel.metric) for t in targets)] for city in context.players]
        whole = {context.whole: 1.0, NOTHING: -1.0}
        rows.append(["sum", *(signed(panel.estimate(whole, target), panel.metric) for target in targets)])
        heads = [("training city", False), *((f"for {target}", True) for target in targets)]
        notes = [
            f"The mean of what a city adds on arrival, over all orders of arrival; {better}.",
            f"The sum is the score of all cities less that of {NOTHING}.",
        ]
        yield make_table(f"Shapley values, {context.label}, {metric}", heads, rows, notes)
    added = list(mixes.additions(panel, context))
    if added:
        yield _additions(added, context, metric, better)


def _additions(added: Sequence[CityValue], context: Context, metric: str, better: str) -> Table:
    by = {(value.city, value.given): value for value in added}
    rows = [
        [city, *(signed(by[city, given].estimate, added[0].metric) for given in (city, *_others(context, city)))]
        for city in context.players
    ]
    # Each row leaves out its own city, which stands first as "nothing".
    table = [[row[0], row[1], *_spread(context, row)] for row in rows]
    heads = [("city", False), (f"to {NOTHING}", True), *((f"to {given}", True) for given in context.players)]
    notes = [f"The score of both cities less that of the one that is there; {better}; mean over target cities."]
    return make_table(f"What a city adds, {context.label}, {metric}", heads, table, notes)


def _others(context: Context, city: str) -> list[str]:
    return [other for other in context.players if other != city]


def _spread(context: Context, row: Sequence[str]) -> list[str]:
    cells = dict(zip(_others(context, row[0]), row[2:], strict=True))
    return [cells.get(given, NONE) for given in context.players]


def _budgets(outcome: Outcome) -> Iterator[Table]:
    found = mixes.budgets(outcome)
    if not found:
        return
    metric = outcome.panels[0].metric
    rows = [
        [
            str(budget.trajectories),
            budget.best.label,
            str(_trajectories(budget.best)),
            interval(budget.score, metric),
            budget.second.label if budget.second else NONE,
            signed(budget.ahead, metric) if budget.ahead else NONE,
        ]
        for budget in found
    ]
    heads = [("budget", True), ("best", False), ("takes", True), (numbers.title(metric), True)]
    notes = ["Where the interval of the lead holds 0, best and next cannot be told apart."]
    yield make_table("Best for a budget of trajectories", [*heads, ("next", False), ("lead", True)], rows, notes)


def _curves(outcome: Outcome) -> Iterator[Table]:
    found = mixes.curves(outcome)
    rows = []
    for label, trials in found.items():
        for i, trial in enumerate(trials):
            name = mixes.name_of(trial)
            step = {name: 1.0, mixes.name_of(trials[i - 1]): -1.0}
            gains = [signed(panel.estimate(step), panel.metric) if i else NONE for panel in outcome.panels[:1]]
            rows.append([label, str(_trajectories(trial)), *(figure(p, name) for p in outcome.panels), *gains])
    if rows:
        heads = [(CITIES, False), (TRAJECTORIES, True), *((numbers.title(p.metric), True) for p in outcome.panels)]
        yield make_table("Learning curves", [*heads, ("gain over the row above", True)], rows)


def _importances(outcome: Outcome) -> Table:
    names = [axis.name for axis in outcome.study.axes]
    rows = [[name, *(numbers.share(found.get(name, 0.0)) for found in outcome.importances.values())] for name in names]
    heads = [("parameter", False), *((name.replace("_", " "), True) for name in outcome.importances)]
    notes = ["Share of what the parameters explain of an objective: Optuna's PED-ANOVA."]
    return make_table("Importance of each parameter", heads, rows, notes)


def _tested(outcome: Outcome) -> Table:
    winner = best_of(outcome, outcome.done)
    said = {"winner": winner.label, "untuned": NOTHING}
    rows = [
        [name, said.get(name, ""), str(scored.trajectories), *(figure(panel, name) for panel in outcome.test_panels)]
        for name, scored in outcome.tested.items()
    ]
    heads = [("", False), ("what", False), (TRAJECTORIES, True)]
    heads += [(numbers.title(panel.metric), True) for panel in outcome.test_panels]
    notes = [
        "Test users take no part in the choice of the winner; on validation users a winner looks better than it is."
    ]
    return make_table("On test users", heads, rows, notes)


def figure(panel: Panel, name: str, city: str = ALL) -> str:
    """Write a score with its interval."""
    return interval(panel.estimate({name: 1.0}, city), panel.metric)


def interval(estimate: Estimate, metric: str) -> str:
    """Write a figure with its interval, where there is one."""
    unit = metrics.get(metric).unit
    text = numbers.amount(estimate.value, unit)
    return text if estimate.low != estimate.low else f"{text} {numbers.span(estimate.low, estimate.high, unit)}"


def _trajectories(trial: Trial) -> int:
    return trial.scored.trajectories if trial.scored else 0
