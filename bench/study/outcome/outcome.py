"""The trials of a study, with scores of every user behind them, so that any difference has an interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.evaluation import bootstrap
from bench.leaderboard.facts import Facts
from bench.records.store import Run
from bench.study.search.claims import REASON, SCORED, is_void
from bench.study.search.evaluate import Scored
from bench.study.search.work import shown
from bench.study.spec.schema import Point, Study

if TYPE_CHECKING:
    import optuna

NOTHING = "nothing"  # the empty set of cities
ALL = "all"  # the mean over target cities


@dataclass(frozen=True)
class Trial:
    """One trial that counts. state: done, failed or pruned; why: the reason of one that failed."""

    number: int
    point: Point
    state: str
    why: str | None
    scored: Scored | None
    values: tuple[float, ...]

    @property
    def label(self) -> str:
        """The point for readers."""
        return shown(self.point)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over users and seeds (not a number where scores of users are not here)."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Is there an interval?"""
        return self.low == self.low

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True, eq=False)
class Panel:
    """Scores of one metric: value and bootstrap samples of each (name, target city), all resampled together."""

    metric: str
    cities: tuple[str, ...]
    values: Mapping[tuple[str, str], float]
    samples: Mapping[tuple[str, str], np.ndarray]

    def estimate(self, weights: Mapping[str, float], city: str = ALL) -> Estimate:
        """Return a weighted sum of scores, e.g. a difference: {"A+B": 1, "A": -1}."""
        value = sum(weight * self.values[name, city] for name, weight in weights.items())
        if any((name, city) not in self.samples for name in weights):
            return Estimate(float(value), float("nan"), float("nan"))
        drawn = sum(weight * self.samples[name, city] for name, weight in weights.items())
        low, high = bootstrap.interval(np.asarray(drawn)[:, None])
        return Estimate(float(value), float(low[0]), float(high[0]))

    def less(self, one: str, other: str) -> Estimate:
        """Return the score of one less that of the other, over all target cities."""
        return self.estimate({one: 1.0, other: -1.0} if one != other else {one: 0.0})


@dataclass(frozen=True, eq=False)
class Outcome:
    """A study as it stands.

    best: numbers of the trials that no other beats in all objectives; rests: data and code of the validation records;
    tested: name -> what it is, its scores; lacks: what could not be scored beside the trials, with its reason;
    hardware: what costs were measured on; alone: nothing else was running then.
    """

    study: Study
    trials: tuple[Trial, ...]
    best: frozenset[int]
    importances: Mapping[str, Mapping[str, float]]  # objective -> axis -> share
    nothing: Scored | None
    panels: tuple[Panel, ...]
    rests: Facts
    lacks: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    alone: bool = True
    tested: Mapping[str, tuple[str, Scored]] = field(default_factory=dict)
    test_panels: tuple[Panel, ...] = ()

    @property
    def done(self) -> tuple[Trial, ...]:
        """The trials that have scores."""
        return tuple(trial for trial in self.trials if trial.scored)

    @property
    def bare(self) -> str:
        """What stands for the empty set of cities."""
        return "the untuned model" if self.study.untuned else "the fallback alone"


def read_trials(opened: optuna.Study) -> tuple[Trial, ...]:
    """Return the finished trials that count, in order."""
    names = {"COMPLETE": "done", "FAIL": "failed", "PRUNED": "pruned"}
    found = []
    for trial in opened.get_trials(deepcopy=False):
        if trial.state.name in names and not is_void(trial):
            given = trial.user_attrs.get(SCORED)
            scored = Scored.of_plain(given) if given and trial.state.name == "COMPLETE" else None
            values = tuple(trial.values or ()) if scored else ()
            why = trial.user_attrs.get(REASON)
            found.append(Trial(trial.number, dict(trial.params), names[trial.state.name], why, scored, values))
    return tuple(found)


def importances(opened: optuna.Study, study: Study) -> dict[str, dict[str, float]]:
    """Return how much each axis matters for each objective, by Optuna's PED-ANOVA; nothing where it cannot tell."""
    import warnings

    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import FrozenTrial

    def loss(number: int, direction: str, trial: FrozenTrial) -> float:
        value = float(trial.values[number])
        return value if direction == "minimize" else -value  # PED-ANOVA takes the lower for the better

    found: dict[str, dict[str, float]] = {}
    if len([trial for trial in read_trials(opened) if trial.scored]) < 2:
        return found
    for i, (name, direction) in enumerate(study.spec.objectives.items()):
        if len({trial.values[i] for trial in read_trials(opened) if trial.scored}) < 2:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                method = PedAnovaImportanceEvaluator()
                target = partial(loss, i, direction)
                found[name] = dict(get_param_importances(opened, evaluator=method, target=target))
        except (ValueError, RuntimeError, ZeroDivisionError):
            continue
    return found


def panel(metric: str, named: Mapping[str, Scored], run: Run) -> Panel:
    """Gather one metric's scores of all names.

    Those whose files are not here, or who asked other users than most (before the file changed), have values only.
    """
    cities = tuple(next(iter(named.values())).scores[metric]) if named else ()
    values: dict[tuple[str, str], float] = {}
    samples: dict[tuple[str, str], np.ndarray] = {}
    for city in cities:
        found = {name: _of_users(scored, metric, city, run) for name, scored in named.items()}
        users = Counter(uids for uids, _ in found.values() if uids).most_common(1)
        here = {name: column for name, (uids, column) in found.items() if users and uids == users[0][0]}
        values |= {(name, city): float(np.mean(scored.scores[metric][city])) for name, scored in named.items()}
        if here:
            samples |= {(name, city): drawn for name, drawn in _samples(here, city).items()}
    for name in named:
        values[name, ALL] = float(np.mean([values[name, city] for city in cities]))
        if all((name, city) in samples for city in cities):
            samples[name, ALL] = np.mean([samples[name, city] for city in cities], axis=0)
    return Panel(metric, cities, values, samples)


def _samples(columns: Mapping[str, np.ndarray], city: str) -> dict[str, np.ndarray]:
    """Resample the users of a city once for all names, and each name's seeds: name -> (resamples,)."""
    together = bootstrap.over_users(np.concatenate(list(columns.values()), axis=1), city)
    found, first = {}, 0
    for name, column in columns.items():
        seeds = together[:, first : first + column.shape[1]]
        found[name] = bootstrap.over_seeds(seeds.T, name)
        first += column.shape[1]
    return found


def _of_users(scored: Scored, metric: str, city: str, run: Run) -> tuple[tuple[int, ...], np.ndarray]:
    """Return a city's users in order and their scores (users, seeds); none of both if a file is not here."""
    import pandas as pd

    nobody: tuple[tuple[int, ...], np.ndarray] = (), np.empty((0, 0))
    seeds, uids = [], set()
    for where, _seed, cost in scored.cases:
        if where == city:
            record = run.read(cost)
            path = run.folder / record.files["scores"] if record and "scores" in record.files else None
            if path is None or not path.exists():
                return nobody
            table = pd.read_parquet(path, columns=["uid", metric]).sort_values("uid")
            uids.add(tuple(table["uid"].tolist()))
            seeds.append(table[metric].to_numpy(float))
    return (uids.pop(), np.stack(seeds, axis=1)) if len(uids) == 1 else nobody


def best_of(outcome: Outcome, trials: Sequence[Trial]) -> Trial:
    """Return the trial with the best score of the study's first metric; the cheaper of equals, then the earlier."""
    from bench.evaluation import metrics

    name = outcome.study.metrics[0]
    sign = 1.0 if metrics.get(name).better == "higher" else -1.0

    def merit(trial: Trial) -> tuple[float, int, int]:
        assert trial.scored is not None
        return sign * trial.scored.value(name), -trial.scored.trajectories, -trial.number

    return max(trials, key=merit)
