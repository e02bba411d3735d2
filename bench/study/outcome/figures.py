"""A study's figures as SVG, by matplotlib: Pareto front, values of the cities, learning curves."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.evaluation import metrics
from bench.files import write_with
from bench.report import numbers
from bench.study.outcome import mixes
from bench.study.outcome.comparisons import ALL, Estimate
from bench.study.outcome.outcome import Outcome, Trial, best_of
from bench.study.search.finalists import NOTHING
from bench.study.spec.points import CITIES
from bench.study.spec.schema import COSTS, TRAJECTORIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}  # under words that lines may cross
LEVELS = 10  # numbers of trajectories that are marked on the axis at most


def draw(outcome: Outcome, folder: Path) -> list[Path]:
    """Draw what the study has; return the files."""
    if not outcome.panels or not outcome.done:
        return []
    made = [_save(folder / f"{_file(outcome)}-front.svg", lambda axes: _front(outcome, axes))]
    groups = [context for context in mixes.contexts(outcome) if not context.lacking]
    if groups:
        made.append(_save(folder / f"{_file(outcome)}-cities.svg", lambda axes: _cities(outcome, groups, axes)))
    if mixes.curves(outcome):
        made.append(_save(folder / f"{_file(outcome)}-curves.svg", lambda axes: _curves(outcome, axes)))
    return made


def _file(outcome: Outcome) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in outcome.study.model)


def _save(path: Path, paint: Callable[[Axes], None]) -> Path:
    """Paint and write; the same figure gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    paint(axes)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=4, fontsize="small", frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        write_with(path, lambda part: figure.savefig(part, format="svg", metadata={"Date": None}))
    return path


def _front(outcome: Outcome, axes: Axes) -> None:
    """The second objective, or else trajectories, against the main score.

    A bar is the interval of the difference from the best trial: where it crosses the line of the best, the two cannot
    be told apart. Trials with as many trajectories stand side by side.
    """
    panel, winner = outcome.panels[0], best_of(outcome.study, outcome.done)
    other = next((name for name in outcome.study.spec.objectives if name != panel.metric), TRAJECTORIES)
    top = panel.values[mixes.name_of(winner), ALL]
    axes.axhline(top, color="tab:blue", linewidth=0.8, label="best")
    labels: dict[tuple[float, float], list[str]] = defaultdict(list)
    trained = [trial for trial in outcome.done if mixes.trajectories(trial)] or outcome.done  # the rest are NOTHING
    for trial, at in _side_by_side(trained) if other == TRAJECTORIES else _by_value(trained, other):
        height = panel.values[mixes.name_of(trial), ALL]
        less = panel.less(mixes.name_of(trial), mixes.name_of(winner))
        best = trial.number in outcome.best
        colour = "tab:blue" if best else "darkgrey"
        axes.errorbar(at, height, yerr=_spread([less]), fmt="o", color=colour, markersize=5, elinewidth=1)
        if best:
            labels[at, height].append(str(trial.point.get(CITIES, f"#{trial.number}")))
    _label(labels, axes)
    if outcome.nothing:
        _mark_nothing(panel.values[NOTHING, ALL], axes)
    axes.plot([], [], "o", color="tab:blue", label="on the Pareto front")
    axes.plot([], [], "o", color="darkgrey", label="not on it")
    axes.plot([], [], "-", color="darkgrey", linewidth=1, label="95 % interval of the\ndifference from the best")
    if other == TRAJECTORIES:
        _name_axes(outcome, axes)
        axes.set_xlabel("trajectories; trials with as many stand side by side")
    else:
        axes.set(xlabel=_named(other), ylabel=_score(outcome), title=_title(outcome))


def _label(labels: Mapping[tuple[float, float], list[str]], axes: Axes) -> None:
    """Write each label above its point, or below it where the one before stands close."""
    low, high = axes.get_xlim()
    before, above = low - high, False
    for where, names in sorted(labels.items()):
        above = not above or where[0] - before > 0.05 * (high - low)
        axes.annotate(", ".join(names), where, (4, 4 if above else -12), textcoords="offset points", bbox=PLATE)
        before = where[0]


def _mark_nothing(value: float, axes: Axes) -> None:
    """Draw the empty set of cities as a line where that leaves the trials their room, else in words."""
    low, high = axes.get_ylim()
    if low - (high - low) <= value <= high + (high - low):
        axes.axhline(value, color="black", linewidth=0.8, linestyle=":", label=NOTHING)
    else:
        axes.plot([], [], " ", label=f"{NOTHING}: {value:.3f},\n{'below' if value < low else 'above'} this figure")


def _name_axes(outcome: Outcome, axes: Axes) -> None:
    """Title and axes of a figure of scores by trajectories, whose numbers are marked where they are few."""
    levels = sorted({mixes.trajectories(trial) for trial in outcome.done} - {0})
    if len(levels) <= LEVELS:
        axes.set_xticks(levels)
    axes.set(xlabel="trajectories", ylabel=_score(outcome), title=_title(outcome))


def _score(outcome: Outcome) -> str:
    return f"{numbers.title(outcome.panels[0].metric)},\nmean over target cities"


def _named(objective: str) -> str:
    """Name an objective with its unit."""
    if objective in COSTS:
        return objective.replace("_", " ")
    unit = metrics.get(objective).unit
    return f"{numbers.title(objective)}{f' in {unit}' if unit else ''}, mean over target cities"


def _title(outcome: Outcome) -> str:
    return f"{outcome.study.protocol.name}: {outcome.study.model}, validation users"


def _by_value(trials: Sequence[Trial], objective: str) -> list[tuple[Trial, float]]:
    """Place trials by what they have of an objective."""
    return [(trial, trial.scored.value(objective)) for trial in trials if trial.scored]


def _side_by_side(trials: Sequence[Trial]) -> list[tuple[Trial, float]]:
    """Place trials along the trajectories, those with as many a little apart."""
    levels: dict[int, list[Trial]] = defaultdict(list)
    for trial in trials:
        levels[mixes.trajectories(trial)].append(trial)
    gaps = np.diff(sorted(levels))
    room = 0.8 * (float(gaps.min()) if len(gaps) else 1.0)
    most = max(len(level) for level in levels.values())
    return [
        (trial, count + (i - (len(level) - 1) / 2) * room / most)
        for count, level in levels.items()
        for i, trial in enumerate(level)
    ]


def _spread(estimates: Sequence[Estimate]) -> np.ndarray:
    """How far intervals reach below and above; rounding makes no length negative, and an unknown one is not drawn."""
    value, low, high = np.array([(estimate.value, estimate.low, estimate.high) for estimate in estimates]).T
    return np.maximum(0.0, np.stack([value - low, high - value]))


def _cities(outcome: Outcome, groups: list[mixes.Context], axes: Axes) -> None:
    """Shapley values over all target cities, one bar a context."""
    panel = outcome.panels[0]
    width = 0.8 / len(groups)
    for i, context in enumerate(groups):
        found = [value for value in mixes.values(panel, context) if value.target == ALL]
        at = [j + i * width for j in range(len(found))]
        heights = [value.estimate.value for value in found]
        spread = _spread([value.estimate for value in found])
        axes.bar(at, heights, width, yerr=spread, capsize=2, label=context.label)
    axes.set_xticks([j + 0.4 - width / 2 for j in range(len(groups[0].players))], groups[0].players)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="training city", ylabel=f"Shapley value, {_score(outcome)}", title=_title(outcome))


def _curves(outcome: Outcome, axes: Axes) -> None:
    """Score by number of trajectories, one line a mix. The bar has the typical length of the interval of a gain."""
    panel = outcome.panels[0]
    lengths = []
    for i, (label, trials) in enumerate(mixes.curves(outcome).items()):
        names = [mixes.name_of(trial) for trial in trials]
        colour, dashes = f"C{i % 10}", ("-", "--", ":")[i // 10 % 3]
        scores = [panel.values[name, ALL] for name in names]
        axes.plot([mixes.trajectories(t) for t in trials], scores, dashes, color=colour, marker="o", label=label)
        gains = [panel.less(name, before) for before, name in itertools.pairwise(names)]
        lengths += [gain.high - gain.low for gain in gains if gain.known]
    if lengths:
        (low, high), at = axes.get_ylim(), axes.get_xlim()[0]
        half = float(np.median(lengths)) / 2
        label = "typical 95 % interval of a gain"
        axes.errorbar(at, (low + high) / 2, yerr=half, fmt="none", color="black", capsize=4, label=label)
    _name_axes(outcome, axes)
