"""What a study says, in sentences; only what an interval carries is called a difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.evaluation import metrics
from bench.report import numbers
from bench.study.outcome import mixes
from bench.study.outcome.mixes import CityValue, Context
from bench.study.outcome.outcome import ALL, NOTHING, Estimate, Outcome, Panel, Trial, best_of
from bench.study.outcome.wording import figure, signed

SHOWN = 8  # trials of the front that a sentence names at most
REDUNDANT = 0.25  # our choice: a city is redundant beside another if it adds less than this share of what it adds alone


def findings(outcome: Outcome) -> list[str]:
    """Return the sentences of one model's study: the best, training against none, each city's worth, test users."""
    if not outcome.done or not outcome.panels:
        return ["No trial has scores yet."]
    panel = outcome.panels[0]
    winner = best_of(outcome, outcome.done)
    found = [*_best(outcome, panel, winner)]
    for context in mixes.contexts(outcome):
        if context.lacking == 0:
            found.append(f"{context.label}: {_worth(panel, context)}")
        if frozenset(context.players) in context.names and context.whole != mixes.name_of(winner):
            gain = panel.less(mixes.name_of(winner), context.whole)
            found.append(f"{context.label}: the best less all cities {signed(gain, panel.metric)}.")
        added = list(mixes.additions(panel, context))
        found += [f"{context.label}: {line}" for line in (redundancy(added) if added else [])]
    return [*found, *_on_test_users(outcome)]


def _best(outcome: Outcome, panel: Panel, winner: Trial) -> Iterator[str]:
    """The winner, how many cannot be told from it, the front, the cheapest of them, and training against none."""
    name, many = mixes.name_of(winner), mixes.trajectories(winner)
    less = {trial.number: panel.less(mixes.name_of(trial), name) for trial in outcome.done}
    others = [trial for trial in outcome.done if trial is not winner]
    level = [trial for trial in others if less[trial.number].sign == 0 and less[trial.number].known]
    unknown = sum(not less[trial.number].known for trial in others)
    yield (
        f"Best in {numbers.title(panel.metric)} on validation users: {_taken(winner, outcome)}, {figure(panel, name)}; "
        f"{len(level)} of the other {len(others)} trials cannot be told from it"
        f"{f', of {unknown} it is not known' if unknown else ''}."
    )
    if len(outcome.study.spec.objectives) > 1:
        front = [trial.label for trial in mixes.in_order(outcome.study, outcome.done) if trial.number in outcome.best]
        more = f" and {len(front) - SHOWN} more" if len(front) > SHOWN else ""
        yield f"On the Pareto front: {'; '.join(front[:SHOWN])}{more}."
    least = min((mixes.trajectories(trial) for trial in level), default=many)
    if least < many:
        fewest = best_of(outcome, [trial for trial in level if mixes.trajectories(trial) == least])
        gap = signed(less[fewest.number], panel.metric)
        yield f"With the fewest trajectories of these: {_taken(fewest, outcome)}, {gap}."
    if outcome.nothing:
        gain = panel.less(name, NOTHING)
        yield f"The best less {outcome.bare} ({figure(panel, NOTHING)}): {signed(gain, panel.metric)}."


def _taken(trial: Trial, outcome: Outcome) -> str:
    """A trial with its trajectories, where any trial took some."""
    taken = any(map(mixes.trajectories, outcome.done))
    return f"{trial.label} ({mixes.trajectories(trial)} trajectories)" if taken else trial.label


def _worth(panel: Panel, context: Context) -> str:
    """Shapley values over all target cities, and their sum."""
    found = [value for value in mixes.values(panel, context) if value.target == ALL]
    parts = [f"{value.city} {value.estimate.value:+.{_places(panel)}f}" for value in found]
    whole = panel.less(context.whole, NOTHING)
    return f"Shapley values {', '.join(parts)}; all cities less none {signed(whole, panel.metric)}."


def _places(panel: Panel) -> int:
    return numbers.decimals(metrics.get(panel.metric).unit)


def redundancy(added: Sequence[CityValue]) -> list[str]:
    """Say of each city that helps alone where it is redundant, and where it adds; for one metric and context."""
    metric = metrics.get(added[0].metric)
    good = 1 if metric.better == "higher" else -1
    alone = {value.city: value.estimate for value in added if value.city == value.given}
    return [
        f"{city} ({signed(estimate, metric.name)} alone) {_beside(city, estimate, added, good)}."
        for city, estimate in alone.items()
        if estimate.sign == good
    ]


def _beside(city: str, alone: Estimate, added: Sequence[CityValue], good: int) -> str:
    """Say what a city does beside each other one; with figures where the interval leaves zero out."""
    said, redundant, unclear = [], [], []
    for value in added:
        if value.city != city or value.given is None or value.given == city:
            continue
        if value.estimate.sign:
            verb = "adds to" if value.estimate.sign == good else "harms"
            said.append(f"{verb} {value.given} {signed(value.estimate, value.metric)}")
        elif abs(value.estimate.value) < REDUNDANT * abs(alone.value):
            redundant.append(value.given)
        else:
            unclear.append(value.given)
    said += [f"is redundant once {' or '.join(redundant)} is there"] if redundant else []
    said += [f"is open beside {' or '.join(unclear)}"] if unclear else []
    return "; ".join(said)


def _on_test_users(outcome: Outcome) -> Iterator[str]:
    for panel in outcome.test_panels[:1]:
        for other, said in (("all cities", "all cities"), (NOTHING, outcome.bare)):
            if "winner" in outcome.tested and other in outcome.tested:
                gain = panel.less("winner", other)
                yield f"On test users: winner less {said} {signed(gain, panel.metric)}."


def said_of_redundancy() -> str:
    """Return what the words of :func:`redundancy` mean."""
    return (
        "Redundant beside another city: what it adds there may be nothing, and is less than "
        f"{numbers.share(REDUNDANT)} of what it adds alone (the threshold is our choice). Open: may be nothing, and "
        "is not that little."
    )
