"""The one process of a study: asks Optuna for trials, hands them to local workers, and tells Optuna the results.

A trial runs in worker processes of bench/running, with a thread here that waits for it. One thread at a time uses
Optuna. A killed driver leaves running trials behind; the next driver gives them up and tries their points again.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from bench.running import executor
from bench.study.search.evaluate import Failed, Scored
from bench.study.search.next_trial import REASON, SCORED, Asker
from bench.study.spec.points import shown
from bench.study.spec.reading import make
from bench.study.spec.schema import Point, Study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import Trial

OnValidationScore = Callable[[int, float], None]  # step, score
Score = Callable[[Point, OnValidationScore | None], Scored]  # raises Failed
RANKED = "ranked"  # Optuna's constraint: above 0 where a leaderboard would not rank the trial


class Driver:
    """Brings one study to its total. score: runs a point's cases; workers: parallel trials."""

    def __init__(
        self, study: Study, opened: optuna.Study, score: Score, say: Callable[[str], None], *, workers: int = 1
    ) -> None:
        self.study, self.opened, self.score, self.say, self.workers = study, opened, score, say, workers
        self.asker = Asker(study, opened)
        self.optuna = threading.Lock()

    def run(self, still_alone: Callable[[], None] = lambda: None) -> None:
        """Run trials until the total is reached, no point is left, or time is up.

        still_alone: raises UserError if this is no longer the only driver. An error that stops the study is raised once
        the workers have ended; the next driver tries their points again.
        """
        limit = self.study.spec.timeout
        deadline = time.monotonic() + limit if limit else math.inf
        self.opened.pruner = make("pruner", self.study.spec.pruner)
        if left := self.asker.recover():
            self.say(f"{self.study.model}: {left} unfinished trial{'s' * (left > 1)} of a stopped run will run again")
        running: dict[Future[Scored], tuple[Trial, float]] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                while True:
                    while len(running) < self.workers and time.monotonic() < deadline:
                        still_alone()
                        if (trial := self._ask()) is None:
                            break
                        running[pool.submit(self._score, trial)] = trial, time.monotonic()
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        self._tell(*running[future], future)
                        del running[future]
            except BaseException:
                self._stop(running)
                raise

    def _ask(self) -> Trial | None:
        with self.optuna:
            return self.asker.next()

    def _score(self, trial: Trial) -> Scored:
        """Score a trial's point, in a thread of its own. Raises Failed, TrialPruned, and errors that stop the study."""
        from optuna.exceptions import TrialPruned

        def report(step: int, value: float) -> None:
            with self.optuna:
                trial.report(value, step)
                hopeless = trial.should_prune()
            if hopeless:
                raise TrialPruned

        prunes = self.study.spec.pruner.name != "NopPruner"
        return self.score(trial.params, report if prunes else None)

    def _tell(self, trial: Trial, began: float, future: Future[Scored]) -> None:
        """Tell Optuna and the reader a trial's result."""
        from optuna.exceptions import TrialPruned
        from optuna.trial import TrialState

        try:
            scored = future.result()
            values = [scored.value(name) for name in self.study.spec.objectives]
            if not all(map(math.isfinite, values)):
                raise Failed("an objective is not a finite number")
        except TrialPruned:
            said = "pruned"
            with self.optuna:
                self.opened.tell(trial, state=TrialState.PRUNED)
        except Failed as error:
            said = f"failed: {error}"
            with self.optuna:
                trial.set_user_attr(REASON, said)
                self.opened.tell(trial, state=TrialState.FAIL)
        else:
            said = ", ".join(
                f"{name} {value:.4g}" for name, value in zip(self.study.spec.objectives, values, strict=True)
            )
            said += f"; not ranked: {scored.unranked}" if scored.unranked else ""
            with self.optuna:
                trial.set_user_attr(SCORED, scored.to_plain())
                trial.set_constraint(RANKED, scored.excess)
                self.opened.tell(trial, values)
        with self.optuna:
            ended = sum(standing.state.is_finished() for standing in self.asker.standing())
        took = time.monotonic() - began
        self.say(f"[{ended}/{self.study.total}] {self.study.model} {shown(trial.params)}: {said} ({took:.0f} s)")

    def _stop(self, running: dict[Future[Scored], tuple[Trial, float]]) -> None:
        """End the workers and give up their trials."""
        from optuna.trial import TrialState

        while wait(running, timeout=0.2).not_done:
            executor.stop_all()
        for trial, _ in running.values():
            with contextlib.suppress(Exception):  # the storage may be what failed; the next driver does it then
                self.opened.tell(trial, state=TrialState.FAIL)
