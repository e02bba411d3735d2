"""Run a protocol: plan its cases, run those that are missing, score them and write their records.

Cases that share a fit and all settings go to one worker; other workers of the same fit load it. A record is written
last, so a killed run leaves none for its current case, and the next run does only the rest. A model's code runs in
workers only: its description is read before the data, and none of it runs while the truth is in memory
(docs/trust.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bench.cache import cache_folder
from bench.data.sources import Source
from bench.evaluation.metrics import ranks_wanted
from bench.files import sweep
from bench.protocol.schema import Protocol, SplitSpec
from bench.records.store import Run, Store
from bench.running import confinement, executor, losses
from bench.running.accepting import KEPT, Keeper
from bench.running.hardware import Hardware, lacking
from bench.running.job import Workplace, workplace, write_asks, write_job
from bench.running.ledger import Ledger
from bench.running.messages import BadMessage
from bench.running.model import Model, describe
from bench.running.plan import Planned, digest, parts_of, plan_case, poi_parts
from bench.running.progress import Progress
from bench.running.splits import Prepared, Skip, make_split
from bench.running.worlds import unlike, with_metrics


def run(protocol: Protocol, source: Source, out: Path, where: Hardware, progress: Progress) -> Run:
    """Run a protocol; return the run's folder. Raises KeyboardInterrupt after tidying up."""
    runner = Runner(protocol, source, out, where, progress)
    runner.plan()
    runner.work()
    return runner.run


class Runner:
    """One protocol with one source, one store and one machine.

    folder: the run's folder, if it is not named after the protocol; on_validation_score: called with (step, value)
    after each validation step of a fit. An exception from it ends the worker and leaves :meth:`work`.
    """

    def __init__(
        self,
        protocol: Protocol,
        source: Source,
        out: Path,
        where: Hardware,
        progress: Progress,
        *,
        folder: Path | None = None,
        on_validation_score: Callable[[int, float], None] | None = None,
    ) -> None:
        self.source, self.where, self.progress = source, where, progress
        self.protocol = protocol = with_metrics(protocol, source, progress.say)
        self.on_validation_score = on_validation_score
        self.store = Store(out / "store")
        self.run = Run(folder or out / run_name(protocol, source))
        self.ledger = Ledger(protocol, source, self.store, self.run, where, progress)
        self.hidden = [path for path in (*source.folders(), self.store.folder, self.run.folder, cache_folder()) if path]
        self._said: set[Path] = set()
        self.jobs: dict[tuple[str, str], list[Planned]] = {}  # fit, settings -> cases still to be done

    def plan(self) -> None:
        """Find all cases, record those that cannot run, and group the others by fit and settings."""
        sweep(self.store.folder)
        sweep(self.run.folder)
        models = [describe(spec, self.where.device, self.hidden) for spec in self.protocol.models]
        confinement.hide(str(path) for path in self.source.folders())
        for spec in self.protocol.splits:
            for city in spec.test:
                self.progress.say(f"preparing {'+'.join(spec.train.cities)} -> {city}")
                try:
                    prepared = make_split(self.protocol, spec, city, self.source)
                except Skip as skip:
                    self.ledger.skip_all(models, spec, city, str(skip))
                    continue
                parts = parts_of(prepared) | self._ranks()
                for model in models:
                    for seed in self.protocol.seeds:
                        self._plan_case(model, spec, prepared, parts, seed)
        self.ledger.open()
        waiting = [case.model.name for cases in self.jobs.values() for case in cases]
        self.progress.start(len(self.ledger.cases), len(self.ledger.cases) - len(waiting), waiting)

    def _plan_case(self, model: Model, spec: SplitSpec, prepared: Prepared, parts: dict[str, str], seed: int) -> None:
        """Plan one case, unless it is already done or must be skipped."""
        absent = None
        if model.wants_poi:
            try:
                parts = {**parts, **poi_parts(prepared, self.source)}
            except Skip as skip:
                absent = str(skip)
        case = plan_case(
            model,
            prepared,
            seed,
            parts=parts,
            train_days=spec.train.days,
            threads=self.where.threads,
            hardware=self.where.hardware,
        )
        if case.identity.cost in self.ledger.cases:
            return
        self.ledger.cases.append(case.identity.cost)
        there = prepared.split
        reason = (
            absent
            or lacking(model.needs, self.where.device)
            or unlike(model, there.train_cities, there.test_city, there.worlds)
        )
        if reason:
            self.ledger.skip(case, reason)
        elif not self.ledger.is_done(case):
            self.jobs.setdefault((case.identity.fit, digest(model.recorded)), []).append(case)

    def _ranks(self) -> dict[str, str]:
        """Return how many cells an answer ranks, if the metrics look at more than one."""
        most = ranks_wanted((self.protocol.metrics.main, *self.protocol.metrics.also))
        return {"ranks": str(most)} if most else {}

    def work(self) -> None:
        """Run all jobs; an interrupt stops the workers and keeps what is done."""
        executor.reset()
        groups = list(self.jobs.values())
        try:
            if self.where.jobs == 1:
                for cases in groups:
                    self._do(cases, measure=True)
            else:
                self._work_side_by_side(groups)
        except KeyboardInterrupt:
            executor.stop_all()
            raise
        finally:
            self.progress.stop()

    def _work_side_by_side(self, groups: Sequence[list[Planned]]) -> None:
        """Answer in parallel, then measure costs one case at a time, so that each is alone on the machine."""
        pool = ThreadPoolExecutor(self.where.jobs)
        try:
            for future in as_completed([pool.submit(self._do, cases, measure=False) for cases in groups]):
                future.result()
        except BaseException:
            executor.stop_all()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        for cases in groups:
            rest = [case for case in cases if self.store.answers(case.identity.answers).exists()]
            if rest:
                self._do(rest, measure=True)

    def _do(self, cases: list[Planned], *, measure: bool) -> None:
        """Run the worker of cases that share a fit and all settings; finish each case as its part is done."""
        model, fit_id = cases[0].model, cases[0].identity.fit
        label = f"{model.name} ({'+'.join(dict.fromkeys(c.prepared.split.test_city for c in cases))})"
        self.progress.step(label, "starting", 0, 1)
        with self.store.lock(fit_id), workplace(self.store, model, fit_id) as place:
            self._record_what_others_did(cases)
            if model.own and model.shipped and self.store.take_up(model.shipped, fit_id):
                self.progress.say(f"shipped fit: {label}")
            job, reached = write_job(
                cases, place, self.store, self.source, self.protocol, self.where, measure=measure, hidden=self.hidden
            )
            self._say_what_is_reached(reached)
            keeper = Keeper(
                cases,
                self.store,
                place,
                alone=not self.where.shared and (self.where.jobs == 1 or measure),
                closed=not reached,
                kept=self.ledger.finish_unless_asked_further if measure else lambda case: None,
                missed=lambda case, status, reason: self.ledger.miss(case, status, reason, place),
            )
            listen = self._listener(label, keeper, KEPT)
            try:
                if not all(map(self.ledger.is_answered, cases)):
                    error = executor.run_worker(job, log=place.log, listen=listen, hidden=self.hidden)
                    for case in keeper.waiting.values():
                        if not self.ledger.is_done(case):  # by another run on this store, meanwhile
                            self.ledger.miss(case, "failed", error or "its process ended without an answer", place)
                if measure:
                    self._ask_for_probabilities(label, cases, place)
            except executor.Stopped:
                return
        self.progress.finish(label)

    def _record_what_others_did(self, cases: Sequence[Planned]) -> None:
        """Record cases that another run on this store did whole while this one waited for the fit."""
        for case in cases:
            record = self.run.read(case.identity.cost)
            if record is None or record.status != "done":
                self.ledger.is_done(case)

    def _ask_for_probabilities(self, label: str, cases: Sequence[Planned], place: Workplace) -> None:
        """Ask answered cases for the probabilities that nats a cell need, and finish them."""
        rest = [c for c in cases if self.ledger.is_answered(c) and not losses.settled(c, self.store, self.protocol)]
        if not rest:
            return
        asking = [losses.Asking.of(case, self.store, self.protocol) for case in rest]
        asks = [ask for one in asking for ask in one.job(place)]
        job = write_asks(asks, rest, place, self.store, self.source, self.protocol, self.where, hidden=self.hidden)
        keeper = losses.LossKeeper(asking, self.store, place, self._say_without_losses)
        listen = self._listener(label, keeper, losses.KEPT)
        error = executor.run_worker(job, log=place.log, listen=listen, hidden=self.hidden)
        for cost_id in list(keeper.waiting):
            keeper.missed(cost_id, "failed", error or "its process ended without a message")
        for case in rest:
            self.ledger.finish(case)

    def _say_without_losses(self, case: Planned, reason: str) -> None:
        self.progress.say(f"no nats a cell: {case.label}: {reason}")

    def _listener(
        self, label: str, keeper: Keeper | losses.LossKeeper, events: Sequence[str]
    ) -> Callable[[dict[str, Any]], None]:
        """Return the handler of a worker's messages: progress and validation scores here, the rest by the keeper."""

        def listen(message: dict[str, Any]) -> None:
            event = message.pop("event")
            if event == "progress":
                self.progress.step(label, message["label"], message["done"], message["total"])
            elif event == "intermediate":
                if self.on_validation_score:
                    self.on_validation_score(message["step"], message["value"])
            elif event in events:
                getattr(keeper, event)(**message)
            else:
                raise BadMessage(f"its process sent the unexpected message '{event}'")

        return listen

    def _say_what_is_reached(self, reached: Sequence[Path]) -> None:
        new = [path for path in reached if path not in self._said]
        self._said.update(new)
        for path in new:
            self.progress.say(f"warning: models can read {path}; move it, or records will say 'not confined'")


def run_name(protocol: Protocol, source: Source) -> str:
    """Folder of a protocol's run: its name, with the scale and the source's kind where they are not the defaults."""
    scale = "" if protocol.scale == "default" else f"-{protocol.scale}"
    return f"{protocol.name}{scale}" + ("" if source.synthetic else f"-{source.name}")
