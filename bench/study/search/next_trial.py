"""Which trial comes next: points that a stopped driver left, then those of the grid or what the sampler proposes.

Nothing is remembered outside Optuna's storage. A trial that ended in FAIL without a reason was given up: it counts
nowhere, and its point is tried again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bench.running.plan import digest
from bench.study.spec.reading import make
from bench.study.spec.schema import Named, Point, Study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

REASON, SCORED = "reason", "scored"  # attributes of trials: why one failed; what one scored
RANDOM = Named.model_validate("RandomSampler")
REPEATS = 8  # proposals of known points in a row after which a free one is taken instead
Key = tuple[tuple[str, str], ...]


def is_void(trial: FrozenTrial) -> bool:
    """Whether this trial was given up without a result."""
    return trial.state.name == "FAIL" and REASON not in trial.user_attrs


class Asker:
    """Asks Optuna for trials, never twice for a point. Only one driver may do so at a time (lock.py)."""

    def __init__(self, study: Study, opened: optuna.Study) -> None:
        self.study, self.opened = study, opened
        self.distributions = {axis.name: axis.distribution for axis in study.axes}
        self.points = {_key(point): point for point in study.points()}

    def recover(self) -> int:
        """Give up the trials that a stopped driver left running; return how many there were."""
        from optuna.trial import TrialState

        left = self.opened.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in left:
            self.opened.tell(trial.number, state=TrialState.FAIL)
        return len(left)

    def next(self) -> Trial | None:
        """Return a trial of a new point, or None if the total is reached or no point is left."""
        from optuna.trial import TrialState

        for repeats in itertools.count():
            trials = self.opened.get_trials(deepcopy=False)
            standing = [trial for trial in trials if _stands(trial)]
            taken = {_key(trial.params) for trial in standing}
            if len(standing) >= self.study.total or (self.points and taken.issuperset(self.points)):
                return None
            waiting = any(trial.state.name == "WAITING" for trial in trials)
            if not waiting and (point := next(self._due(trials, taken, repeats), None)) is not None:
                self.opened.enqueue_trial(point)
            trial = self._ask(len(standing), repeats)
            if _key(trial.params) not in taken:
                return trial
            self.opened.tell(trial, state=TrialState.FAIL)
        return None

    def standing(self) -> list[FrozenTrial]:
        """Return the trials that count, in order: finished or running, but not given up."""
        return [trial for trial in self.opened.get_trials(deepcopy=False) if _stands(trial)]

    def _due(self, trials: Sequence[FrozenTrial], taken: set[Key], repeats: int) -> Iterator[Point]:
        """Yield the points that come before any proposal of the sampler."""
        for trial in trials:
            if is_void(trial) and set(trial.params) == set(self.distributions) and _key(trial.params) not in taken:
                yield dict(trial.params)
        free = [point for key, point in self.points.items() if key not in taken]
        if self.study.in_order:
            yield from free
        elif free and repeats >= REPEATS:
            yield random.Random(len(taken)).choice(free)

    def _ask(self, count: int, repeats: int) -> Trial:
        """Ask Optuna. Its seed depends on the number of trials, so a resumed study continues in the same way.

        repeats: proposals since the last new point; with the same seed they would repeat.
        """
        given = self.study.spec.sampler
        drawn = {"seed": given.options.get("seed", 0), "trials": count, "repeats": repeats}
        chosen = RANDOM if self.study.in_order or repeats >= REPEATS else given
        self.opened.sampler = make("sampler", chosen, seed=int(digest(drawn)[:8], 16))
        return self.opened.ask(fixed_distributions=self.distributions)


def _stands(trial: FrozenTrial) -> bool:
    return trial.state.name != "WAITING" and not is_void(trial)


def _key(params: Point) -> Key:
    """Name a point; floats by 12 digits, because a sampler and a list may differ in the last one."""
    return tuple(sorted((k, f"{v:.12g}" if isinstance(v, float) else repr(v)) for k, v in params.items()))
