"""Who tries what: workers on any machines that share a storage never run one point twice to the end, and lose none.

A worker first writes down its trial with all choices, then looks at the others: of two with the same point the lower
number goes on, and the other is void. A lower one whose choices are not written yet is waited for (Lamport's bakery
algorithm, 1974, doi:10.1145/361082.361093), so any storage of Optuna's will do and no lock is needed. A trial whose
worker is gone is void too, and its point free again.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import psutil

from bench.running.plan import digest
from bench.study.spec.reading import make
from bench.study.spec.schema import Named, Point, Study

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

WORKER, BEAT, VOID, REASON, SCORED = "worker", "beat", "void", "reason", "scored"  # attributes of trials
BEAT_S = 10.0
LOST_AFTER_S = 60.0  # a worker on another machine, or one without a name, that gave no sign for so long is gone
POLL_S = 0.5
RANDOM = Named.model_validate("RandomSampler")  # never proposes where points are taken from the grid
REPEATS = 20  # proposals of known points in a row after which a finite space is searched for a free one


def is_void(trial: FrozenTrial) -> bool:
    """Is this a trial that was given up before it came to anything?"""
    return trial.state.name == "FAIL" and VOID in trial.user_attrs


class Claims:
    """One worker's view of a shared study."""

    def __init__(self, study: Study, opened: optuna.Study, number: int = 0) -> None:
        self.study, self.opened, self.number = study, opened, number
        self.distributions = {axis.name: axis.distribution for axis in study.axes}
        self.points = study.points()
        self.me = _me()
        self._seen: dict[int, tuple[str, float]] = {}  # trial -> (what it last showed, since when)

    def next(self, deadline: float | None = None) -> Trial | None:
        """Return a trial to run, or None where the total is reached, nothing is free, or time is up."""
        from optuna.exceptions import UpdateFinishedTrialError

        repeats = 0
        while deadline is None or time.monotonic() < deadline:
            trials = self.standing()
            running = [trial for trial in trials if trial.state.name == "RUNNING"]
            free = self._free(trials)
            if len(trials) >= self.study.total or free == []:
                if not running:
                    return None
                time.sleep(POLL_S)  # a worker may be lost, and its point free again
                continue
            try:
                if free and (self.study.in_order or repeats >= REPEATS):
                    trial = self._begin(free[self.number % len(free)])
                else:
                    trial = self._ask(len(trials), repeats)
            except UpdateFinishedTrialError:  # this worker stood still so long that others took it for lost
                continue
            clash = self._clash(trial.number)
            if clash is None:
                return trial
            self._give_up(trial.number, trial._trial_id, clash)
            repeats += 1
        return None

    def standing(self) -> list[FrozenTrial]:
        """Return the trials that count, in order: finished or running, none void; those of lost workers are voided."""
        found = []
        for trial in self.opened.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING" and self._is_lost(trial):
                if set(trial.params) == set(self.distributions) and not self.study.in_order:
                    self.opened.enqueue_trial(trial.params)  # no grid would find it again
                self._give_up(trial.number, trial._trial_id, "its worker was lost")
            elif not is_void(trial) and trial.state.name != "WAITING":
                found.append(trial)
        return found

    @contextmanager
    def alive(self, trial: Trial) -> Iterator[None]:
        """Show the others now and then that the worker of a trial is there."""
        over = threading.Event()

        def beat() -> None:
            count = 0
            while not over.wait(BEAT_S):
                count += 1
                try:
                    trial.set_user_attr(BEAT, count)
                except Exception:  # the storage is away for a moment, or the trial was given to another
                    continue

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def interrupted(self, trial: Trial) -> None:
        """Give a trial's point back: it was stopped before its end."""
        if not self.study.in_order:
            self.opened.enqueue_trial(trial.params)
        self._give_up(trial.number, trial._trial_id, "interrupted")

    def _begin(self, point: Point) -> Trial:
        """Make a trial of a point; its choices and its worker's name are written at once."""
        from optuna.trial import Trial, TrialState, create_trial

        made = create_trial(
            state=TrialState.RUNNING,
            params=dict(point),
            distributions=self.distributions,
            user_attrs={WORKER: self.me},
        )
        self.opened.sampler = make("sampler", RANDOM, seed=0)  # asked for nothing
        return Trial(self.opened, self.opened._storage.create_new_trial(self.opened._study_id, template_trial=made))

    def _ask(self, count: int, repeats: int = 0) -> Trial:
        """Let the sampler propose; its randomness hangs on how many trials stand, so a resumed study goes on alike.

        repeats: proposals since the last trial that came to nothing; with the same randomness they would come again.
        """
        given = self.study.spec.sampler
        drawn = {"seed": given.options.get("seed", 0), "trials": count, "worker": self.number, "repeats": repeats}
        seed = int(digest(drawn)[:8], 16)
        self.opened.sampler = make("sampler", RANDOM if self.study.in_order else given, seed=seed)
        trial = self.opened.ask()
        trial.set_user_attr(WORKER, self.me)  # at once: a nameless trial is waited for
        for name, distribution in self.distributions.items():
            trial._suggest(name, distribution)  # as ask does with distributions
        return trial

    def _free(self, trials: list[FrozenTrial]) -> list[Point] | None:
        """Return the points of a finite space that no trial has; None where they are too many to list."""
        if not self.points:
            return None
        taken = {_key(trial.params) for trial in trials}
        return [point for point in self.points if _key(point) not in taken]

    def _clash(self, number: int) -> str | None:
        """Return why a new trial must give way to another, or None."""
        while True:
            trials = self.standing()
            mine = next((trial for trial in trials if trial.number == number), None)
            if mine is None:
                return "its worker was lost"
            if sum(trial.number < number for trial in trials) >= self.study.total:
                return "over the total"
            choosing = False
            for other in trials:
                if other.number == number:
                    continue
                running = other.state.name == "RUNNING"
                if not running or other.number < number:
                    if _key(other.params) == _key(mine.params):
                        return f"same point as trial {other.number}"
                    choosing |= running and len(other.params) < len(mine.params)
            if not choosing:
                return None
            time.sleep(POLL_S / 10)

    def _is_lost(self, trial: FrozenTrial) -> bool:
        """Is the worker of a running trial gone? On this machine its process is looked for, elsewhere silence tells it.

        So one that stands still on this machine keeps its trial, and containers that share a machine's name and network
        address must share its processes too.
        """
        worker = str(trial.user_attrs.get(WORKER, ""))
        if worker == self.me:
            return False
        machine, _, process = worker.partition(" ")
        if machine == _machine():
            return not _runs(process)
        shows = f"{worker} {trial.user_attrs.get(BEAT)} {len(trial.params)}"
        before, since = self._seen.get(trial.number, ("", 0.0))
        if shows != before:
            self._seen[trial.number] = shows, time.monotonic()
            return False
        return time.monotonic() - since > LOST_AFTER_S

    def _give_up(self, number: int, trial_id: int, why: str) -> None:
        """Void a trial, unless it has ended meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import Trial, TrialState

        try:
            Trial(self.opened, trial_id).set_user_attr(VOID, why)
            self.opened.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        except UpdateFinishedTrialError:
            pass


def _key(params: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in params.items()))


@cache
def _machine() -> str:
    return hashlib.sha256(f"{platform.node()} {uuid.getnode()}".encode()).hexdigest()[:12]


def _me() -> str:
    return f"{_machine()} {os.getpid()}/{psutil.Process().create_time():.0f}"


def _runs(process: str) -> bool:
    """Is a process (pid/second of its start) still there, and no zombie?"""
    pid, _, started = process.partition("/")
    try:
        found = psutil.Process(int(pid))
        return found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - float(started)) < 2
    except (psutil.Error, ValueError):
        return False
