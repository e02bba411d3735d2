"""A study's findings, in sentences. A difference counts only if it is significant in the whole list (Holm)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.evaluation import metrics
from bench.report import numbers
from bench.study.outcome import mixes
from bench.study.outcome.comparisons import ALL, Estimate, Panel, significant
from bench.study.outcome.mixes import CityValue, Context
from bench.study.outcome.outcome import UNRANKED, Outcome, Trial, best_of
from bench.study.outcome.wording import figure, signed
from bench.study.search.finalists import NOTHING

FURTHEST = 4  # pairs of Shapley values that a sentence names at most
SHOWN = 8  # trials of the front that a sentence names at most
REDUNDANT = 0.25  # our choice: a city is redundant beside another if it adds less than this share of what it adds alone


def headline(outcome: Outcome) -> list[str]:
    """Return what matters most: the best trial, what it gains over no training, and whether test users agree."""
    if not outcome.done:
        why = "none has ended" if not outcome.trials else "none has scores that a leaderboard would rank"
        return [f"No trial can win yet: {why}."]
    panel, winner = outcome.panels[0], best_of(outcome.study, outcome.done)
    name = mixes.name_of(winner)
    found = [f"Best trial: {_taken(winner, outcome)}, {numbers.title(panel.metric)} {figure(panel, name)}."]
    if gains := list(_gains(outcome, panel, name)):
        found.append(f"Best trial minus {', minus '.join(gains)}.")
    if winner.scored and not winner.scored.learned:
        found.append("The best trial kept its start: validation users rejected its fine-tuning. It learned nothing.")
    return [*found, *_on_test_users(outcome)]


def details(outcome: Outcome) -> Iterator[str]:
    """Yield the rest: trials level with the best, the Pareto front, rejected fits, and each city's worth."""
    if not outcome.done:
        return
    panel, winner = outcome.panels[0], best_of(outcome.study, outcome.done)
    yield from _level(outcome, panel, winner)
    if len(outcome.study.spec.objectives) > 1:
        front = [trial.label for trial in mixes.in_order(outcome.study, outcome.done) if trial.number in outcome.best]
        more = f" and {len(front) - SHOWN} more" if len(front) > SHOWN else ""
        yield f"Pareto front: {'; '.join(front[:SHOWN])}{more}."
    if kept := sum(not trial.scored.learned for trial in outcome.done if trial.scored):
        yield f"{kept} of {len(outcome.done)} trials kept their start (fine-tuning rejected on validation users)."
    if barred := sum(trial.state == UNRANKED for trial in outcome.trials):
        yield f"Not ranked, so that they cannot win: {barred} trials. The reasons stand below the table of trials."
    for context in mixes.contexts(outcome):
        yield from _of_context(outcome, panel, context, mixes.name_of(winner))


def _gains(outcome: Outcome, panel: Panel, name: str) -> Iterator[str]:
    """Yield what is subtracted from a trial, and the rest: the best floor model, and no training."""
    if outcome.floor:
        yield f"{outcome.floor}: {signed(panel.less(name, outcome.floor), panel.metric)}"
    if outcome.nothing:
        yield f"{outcome.bare}: {signed(panel.less(name, NOTHING), panel.metric)}"


def _level(outcome: Outcome, panel: Panel, winner: Trial) -> Iterator[str]:
    """How many trials are not significantly worse than the best, and which of them took the fewest trajectories."""
    others = [trial for trial in outcome.done if trial is not winner]
    less = {trial.number: panel.less(mixes.name_of(trial), mixes.name_of(winner)) for trial in others}
    apart = significant(less)
    level = [trial for trial in others if less[trial.number].known and trial.number not in apart]
    unknown = sum(not less[trial.number].known for trial in others)
    if others:
        tail = f"; {unknown} cannot be compared" if unknown else ""
        yield f"{len(level)} of the other {len(others)} trials are not significantly worse than the best{tail}."
    many = mixes.trajectories(winner)
    least = min((mixes.trajectories(trial) for trial in level), default=many)
    if least < many:
        fewest = best_of(outcome.study, [trial for trial in level if mixes.trajectories(trial) == least])
        gap = signed(less[fewest.number], panel.metric)
        yield f"Fewest trajectories among these: {_taken(fewest, outcome)}. Minus the best: {gap}."


def _taken(trial: Trial, outcome: Outcome) -> str:
    """A trial with its trajectories, if any trial took some."""
    taken = any(map(mixes.trajectories, outcome.done))
    return f"{trial.label} ({mixes.trajectories(trial)} trajectories)" if taken else trial.label


def _of_context(outcome: Outcome, panel: Panel, context: Context, winner: str) -> Iterator[str]:
    """Shapley values, all cities against the winner, and which city is redundant."""
    if context.lacking == 0:
        found = [value for value in mixes.values(panel, context) if value.target == ALL]
        places = numbers.decimals(metrics.get(panel.metric).unit)
        parts = ", ".join(f"{value.city} {value.estimate.value:+.{places}f}" for value in found)
        gains = f"All cities minus {', minus '.join(_gains(outcome, panel, context.whole))}."
        yield f"{context.label}: Shapley values {parts}, of the gain over {outcome.bare}. {gains}"
        yield f"{context.label}: {_differences(panel, context)}"
    if frozenset(context.players) in context.names and context.whole != winner:
        gain = signed(panel.less(winner, context.whole), panel.metric)
        yield f"{context.label}: best trial minus all cities: {gain}."
    added = list(mixes.additions(panel, context))
    for line in redundancy(added) if added else ():
        yield f"{context.label}: {line}"


def _differences(panel: Panel, context: Context) -> str:
    """Say how many pairs of Shapley values differ significantly, and name those that are furthest apart."""
    found = mixes.differences(panel, context)
    if not (apart := significant(found)):
        return f"No two Shapley values for the same target differ significantly ({len(found)} pairs)."
    furthest = sorted(apart, key=lambda pair: -found[pair].value)[:FURTHEST]
    parts = [f"for {pair[0]}, {pair[1]} minus {pair[2]} {signed(found[pair], panel.metric)}" for pair in furthest]
    share = f"{len(apart)} of {len(found)} pairs of Shapley values for the same target"
    return f"{share} differ significantly. Furthest apart: {'; '.join(parts)}."


def redundancy(added: Sequence[CityValue]) -> list[str]:
    """Say for each city that helps alone where it is redundant and where it adds; for one metric and context."""
    metric = metrics.get(added[0].metric)
    good = 1 if metric.better == "higher" else -1
    apart = significant({(value.city, value.given): value.estimate for value in added})
    alone = {v.city: v.estimate for v in added if v.city == v.given and (v.city, v.city) in apart}
    helps = {city: estimate for city, estimate in alone.items() if good * estimate.value > 0}
    said = {city: _beside(city, estimate, added, apart, good) for city, estimate in helps.items()}
    others = {city: [v.given for v in added if v.city == city != v.given] for city in helps}
    every = [city for city in helps if len(others[city]) > 1 and said[city] == _redundant(others[city])]
    lines = [f"{c} alone {signed(e, metric.name)}; {said[c]}." for c, e in helps.items() if c not in every]
    if every:
        gains = ", ".join(signed(helps[city], metric.name) for city in every)
        lines.append(f"{', '.join(every)}: redundant once any other city is included (alone {gains}).")
    return lines


def _redundant(cities: Sequence[str | None]) -> str:
    return f"redundant once {' or '.join(filter(None, cities))} is included"


def _beside(
    city: str, alone: Estimate, added: Sequence[CityValue], apart: set[tuple[str, str | None]], good: int
) -> str:
    """Say what a city adds to each other one, with figures if the difference is significant."""
    said, redundant, unclear = [], [], []
    for value in added:
        if value.city != city or value.given is None or value.given == city:
            continue
        if (city, value.given) in apart:
            verb = "adds to" if good * value.estimate.value > 0 else "harms"
            said.append(f"{verb} {value.given} {signed(value.estimate, value.metric)}")
        elif abs(value.estimate.value) < REDUNDANT * abs(alone.value):
            redundant.append(value.given)
        else:
            unclear.append(value.given)
    said += [_redundant(redundant)] if redundant else []
    said += [f"inconclusive once {' or '.join(unclear)} is included"] if unclear else []
    return "; ".join(said)


def _on_test_users(outcome: Outcome) -> Iterator[str]:
    for panel in outcome.test_panels[:1]:
        names = {"all cities": "all cities", outcome.floor: outcome.floor, NOTHING: outcome.bare}
        here = [(name, said) for name, said in names.items() if name and (name, ALL) in panel.values]
        if ("winner", ALL) in panel.values and here:
            parts = [f"minus {said}: {signed(panel.less('winner', name), panel.metric)}" for name, said in here]
            yield f"On test users, best trial {', '.join(parts)}."


def said_of_redundancy() -> str:
    """Explain the words of :func:`redundancy`."""
    return (
        "Redundant: the city adds nothing significant there, and less than "
        f"{numbers.share(REDUNDANT)} of what it adds alone (our threshold). Inconclusive: not significant, yet more."
    )
