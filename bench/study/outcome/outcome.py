"""A study so far: its trials, their references, and the per-user scores of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bench.evaluation import metrics
from bench.leaderboard.facts import Facts
from bench.study.outcome.comparisons import Panel
from bench.study.search.evaluate import Scored
from bench.study.search.finalists import NOTHING, Result
from bench.study.search.next_trial import REASON, SCORED, is_void
from bench.study.spec.points import shown
from bench.study.spec.schema import Point, Study

if TYPE_CHECKING:
    import optuna

DONE, UNRANKED, FAILED, PRUNED = "done", "not ranked", "failed", "pruned"
STATES = (DONE, UNRANKED, FAILED, PRUNED)


@dataclass(frozen=True)
class Trial:
    """One trial that counts. state: one of STATES; why: the reason if it failed or is not ranked."""

    number: int
    point: Point
    state: str
    why: str | None
    scored: Scored | None

    @property
    def label(self) -> str:
        """The point for readers."""
        return shown(self.point)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A study so far.

    best: numbers of the trials on the Pareto front; references: name -> scores on the users of the
    trials; rests: data and code of the validation records; hardware: where costs were measured; alone: nothing else
    ran meanwhile; tested: name -> scores on test users.
    """

    study: Study
    trials: tuple[Trial, ...]
    best: frozenset[int]
    importances: Mapping[str, Mapping[str, float]]  # objective -> axis -> share
    references: Mapping[str, Result]
    panels: tuple[Panel, ...]
    rests: Facts
    hardware: tuple[str, ...] = ()
    alone: bool = True
    tested: Mapping[str, Result] = field(default_factory=dict)
    test_panels: tuple[Panel, ...] = ()

    @property
    def done(self) -> tuple[Trial, ...]:
        """The trials that can win: those with scores that a leaderboard would rank."""
        return tuple(trial for trial in self.trials if trial.state == DONE)

    @property
    def nothing(self) -> Scored | None:
        """Scores of the empty set of cities."""
        return self.references[NOTHING].scored if NOTHING in self.references else None

    @property
    def floor(self) -> str | None:
        """The floor model with the best score of the first metric, on the users of the trials."""
        found = {name: r.scored for name, r in self.references.items() if name != NOTHING and r.scored}
        metric = self.study.metrics[0]
        return max(found, key=lambda name: _sign(metric) * found[name].value(metric), default=None)

    @property
    def bare(self) -> str:
        """What stands for the empty set of cities."""
        return bare(self.study)


def bare(study: Study) -> str:
    """Say what stands for the empty set of cities."""
    return "the untuned model" if study.untuned else "the fallback alone"


def read_trials(opened: optuna.Study) -> tuple[Trial, ...]:
    """Return the finished trials that count, in order."""
    return tuple(
        _read(trial.number, dict(trial.params), trial.state.name, trial.user_attrs)
        for trial in opened.get_trials(deepcopy=False)
        if trial.state.is_finished() and not is_void(trial)
    )


def _read(number: int, point: Point, ended: str, attributes: Mapping[str, object]) -> Trial:
    if ended != "COMPLETE":
        why = attributes.get(REASON)
        return Trial(number, point, PRUNED if ended == "PRUNED" else FAILED, str(why) if why else None, None)
    given = attributes.get(SCORED)
    scored = Scored.of_plain(given) if isinstance(given, dict) else None
    if scored is None:
        return Trial(number, point, FAILED, "was not made by this program", None)
    return Trial(number, point, UNRANKED if scored.unranked else DONE, scored.unranked, scored)


def importances(opened: optuna.Study, study: Study) -> dict[str, dict[str, float]]:
    """Return how much each axis matters for each objective, by Optuna's PED-ANOVA; empty if it cannot tell."""
    import warnings

    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import FrozenTrial

    def loss(number: int, direction: str, trial: FrozenTrial) -> float:
        value = float(trial.values[number])
        return value if direction == "minimize" else -value  # PED-ANOVA takes the lower for the better

    can_win = {trial.number for trial in read_trials(opened) if trial.state == DONE}
    ranked = [trial for trial in opened.get_trials(deepcopy=False) if trial.number in can_win]
    copy = optuna.create_study(directions=opened.directions)
    copy.add_trials(ranked)
    found: dict[str, dict[str, float]] = {}
    for i, (name, direction) in enumerate(study.spec.objectives.items()):
        if len({trial.values[i] for trial in ranked}) < 2:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                method = PedAnovaImportanceEvaluator()
                target = partial(loss, i, direction)
                found[name] = dict(get_param_importances(copy, evaluator=method, target=target))
        except (ValueError, RuntimeError, ZeroDivisionError):
            continue
    return found


def best_of(study: Study, trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best score by the study's first metric; of equals the cheaper, then the earlier."""
    metric = study.metrics[0]

    def merit(trial: Trial) -> tuple[float, int, int]:
        assert trial.scored is not None
        return _sign(metric) * trial.scored.value(metric), -trial.scored.trajectories, -trial.number

    return max(trials, key=merit)


def _sign(metric: str) -> float:
    return 1.0 if metrics.get(metric).better == "higher" else -1.0
