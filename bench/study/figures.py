"""A study's figures as SVG, by matplotlib: Pareto front, values of the cities, learning curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.files import write_with
from bench.report import numbers
from bench.study import mixes
from bench.study.outcome import ALL, NOTHING, Estimate, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasSVG(figure)
    paint(figure.add_subplot())
    write_with(path, lambda part: figure.savefig(part, format="svg", metadata={"Date": None}))
    return path


def _front(outcome: Outcome, axes: Axes) -> None:
    """Trajectories against the main score; the front filled."""
    panel = outcome.panels[0]
    for trial in outcome.done:
        estimate = panel.estimate({mixes.name_of(trial): 1.0})
        assert trial.scored is not None
        best = trial.number in outcome.best
        spread = _spread([estimate])
        colour = "tab:blue" if best else "silver"
        axes.errorbar(trial.scored.trajectories, estimate.value, yerr=spread, fmt="o", color=colour, zorder=2 + best)
        if best:
            at = (trial.scored.trajectories, estimate.value)
            axes.annotate(str(trial.point.get(mixes.CITIES, trial.number)), at, (5, 4), textcoords="offset points")
    if outcome.nothing:
        axes.axhline(panel.values[NOTHING, ALL], color="black", linewidth=0.8, linestyle=":", label=NOTHING)
        axes.legend()
    axes.set(xlabel="trajectories", ylabel=numbers.title(panel.metric), title=outcome.study.model)


def _spread(estimates: Sequence[Estimate]) -> list[list[float]]:
    """How far intervals reach below and above; rounding makes no length negative."""
    below = [max(0.0, estimate.value - estimate.low) for estimate in estimates]
    return [below, [max(0.0, estimate.high - estimate.value) for estimate in estimates]]


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
    axes.legend()
    axes.set(xlabel="training city", ylabel=f"Shapley value, {numbers.title(panel.metric)}", title=outcome.study.model)


def _curves(outcome: Outcome, axes: Axes) -> None:
    panel = outcome.panels[0]
    for label, trials in mixes.curves(outcome).items():
        at = [trial.scored.trajectories for trial in trials if trial.scored]
        axes.plot(at, [panel.values[mixes.name_of(trial), ALL] for trial in trials], marker="o", label=label)
    axes.legend(fontsize="small", ncols=2)
    axes.set(xlabel="trajectories", ylabel=numbers.title(panel.metric), title=outcome.study.model)
