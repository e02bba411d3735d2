"""Run a protocol: plan its cases, do those that are missing, score them, write their records.

Cases that share a fit and how it is asked go to one worker; the next worker of the same fit loads it. A record is
written last, so a killed run leaves none for the case it was in and the next run does just the rest. Skipped and failed
cases get records too, with their reasons. Everything of a model runs in workers: here its description is read before
the data are, and nothing of it runs while the truth is in memory (docs/trust.md).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bench.adapters.adapter import Needs
from bench.cache import cache_folder
from bench.data.sources import Source
from bench.evaluation.metrics import ranks_wanted
from bench.files import sweep
from bench.protocol.schema import Protocol, SplitSpec
from bench.records.provenance import machine
from bench.records.record import SCHEMA, Record
from bench.records.store import Run, Store
from bench.running import confinement, executor, losses
from bench.running.accepting import KEPT, Keeper
from bench.running.hardware import Hardware
from bench.running.job import Workplace, workplace, write_asks, write_job
from bench.running.messages import BadMessage, plain
from bench.running.model import Model, describe
from bench.running.plan import Planned, digest, parts_of, plan_case, poi_parts
from bench.running.progress import Progress
from bench.running.recording import Reason, describe_planned, reason_record, skipped_record
from bench.running.scoring import ScoringContext, done_record
from bench.running.splits import Prepared, Skip, make_split
from bench.running.worlds import unlike, with_metrics


def run(protocol: Protocol, source: Source, out: Path, where: Hardware, progress: Progress) -> Run:
    """Bring a protocol to its records; return the run's folder. Raises KeyboardInterrupt after tidying up."""
    runner = Runner(protocol, source, out, where, progress)
    runner.plan()
    runner.work()
    return runner.run


class Runner:
    """One protocol on one source, one store, one place.

    folder: of the run, where it is not named after the protocol; on_validation_score: called with (step, value)
    after each validation step of a fit. What it raises ends the worker and passes out of :meth:`work`.
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
        self.scoring = ScoringContext(protocol, source, self.store, self.run, where)
        self.told: set[str] = set()  # why models take no part
        self.planned = False  # what is recorded before is no progress of this run
        self.cases: list[str] = []  # cost identities, in the order of the protocol
        self.hidden = [path for path in (*source.folders(), self.store.folder, self.run.folder, cache_folder()) if path]
        self._said: set[Path] = set()
        self.jobs: dict[tuple[str, str], list[Planned]] = {}  # fit, settings -> cases still to be done

    def plan(self) -> None:
        """Find all cases, record those that nobody can do, and group the others by their fit and settings."""
        sweep(self.store.folder)
        sweep(self.run.folder)
        models = [describe(spec, self.where.device, self.hidden) for spec in self.protocol.models]
        confinement.hide(str(path) for path in self.source.folders())
        done = 0
        for spec in self.protocol.splits:
            for city in spec.test:
                self.progress.say(f"preparing {'+'.join(spec.train.cities)} -> {city}")
                try:
                    prepared = make_split(self.protocol, spec, city, self.source)
                except Skip as skip:
                    self._skip_all(models, spec, city, str(skip))
                    continue
                parts = parts_of(prepared) | self._ranks()
                for model in models:
                    done += sum(self._plan_model(model, spec, prepared, parts, seed) for seed in self.protocol.seeds)
        self._write_manifest()
        waiting = [case.model.name for cases in self.jobs.values() for case in cases]
        self.planned = True
        self.progress.start(len(self.cases), len(self.cases) - len(waiting), waiting)

    def _plan_model(
        self, model: Model, spec: SplitSpec, prepared: Prepared, parts: dict[str, str], seed: int
    ) -> bool:  # fmt: skip
        """Plan one case; return whether it needed no work."""
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
        if case.identity.cost in self.cases:
            return True
        self.cases.append(case.identity.cost)
        there = prepared.split
        reason = (
            absent
            or lacking(model.needs, self.where.device)
            or unlike(model, there.train_cities, there.test_city, there.worlds)
        )
        if reason:
            self._tell_once(f"skipped: {case.model.name}: {reason}")
            self._record_reason(case, "skipped", reason)
            return True
        if self._is_done(case):
            return True
        self.jobs.setdefault((case.identity.fit, digest(model.recorded)), []).append(case)
        return False

    def _ranks(self) -> dict[str, str]:
        """Say how many cells an answer ranks, where the metrics look at more than one."""
        most = ranks_wanted((self.protocol.metrics.main, *self.protocol.metrics.also))
        return {"ranks": str(most)} if most else {}

    def _tell_once(self, line: str) -> None:
        if line not in self.told:
            self.told.add(line)
            self.progress.say(line)

    def _is_done(self, case: Planned) -> bool:
        """Is there a record, or all that one is made of?"""
        record = self.run.read(case.identity.cost)
        if record is not None and record.status == "done" and self._asks_the_same(record, case):
            self._warn_of_changed_source(record, case.model)
            if record.schema_version == SCHEMA or not self._is_answered(case):
                self.progress.known(record)
                return True
        if self._is_answered(case) and losses.settled(case, self.store, self.protocol):
            self._finish(case)
            return True
        return False

    def _is_answered(self, case: Planned) -> bool:
        return self.store.answers(case.identity.answers).exists() and self.store.measured(case.identity.cost)

    def _asks_the_same(self, record: Record, case: Planned) -> bool:
        """Would scoring again give the same record?"""
        wanted, given = self.protocol, record.answers
        return (
            given is not None
            and self._given(case) <= set(record.scores)
            and (record.main, given.fallback, given.most_filled, record.case.protocol_version, record.case.scale)
            == (wanted.metrics.main, wanted.answers.fallback, wanted.answers.most_filled, wanted.version, wanted.scale)
        )

    def _given(self, case: Planned) -> set[str]:
        """Return the protocol's metrics without those that this model's probabilities would have to give."""
        wanted = {self.protocol.metrics.main, *self.protocol.metrics.also}
        return wanted - set(losses.METRICS) | set(losses.given_by(case, self.protocol))

    def _warn_of_changed_source(self, record: Record, model: Model) -> None:
        if record.provenance.adapter_source != model.source:
            self.progress.say(
                f"warning: the source of '{model.adapter}' changed under version {model.version}; its earlier answers"
                f" are used: raise the version in its class if the same settings answer otherwise now"
            )

    def work(self) -> None:
        """Do all jobs; on an interrupt stop the workers and leave what is done."""
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
        """Answer in parallel; measure costs afterwards, one at a time, so that each is alone on the machine."""
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
        """Run the worker of cases with one fit and the same settings, and finish each case as its part is done."""
        model, fit_id = cases[0].model, cases[0].identity.fit
        label = f"{model.name} ({'+'.join(dict.fromkeys(c.prepared.split.test_city for c in cases))})"
        self.progress.step(label, "starting", 0, 1)
        with self.store.lock(fit_id), workplace(self.store, model, fit_id) as place:
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
                kept=self._finish_answered if measure else lambda case: None,
                missed=lambda case, status, reason: self._miss(case, status, reason, place),
            )
            listen = self._listener(label, keeper, KEPT)
            try:
                if not all(map(self._is_answered, cases)):
                    error = executor.run_worker(job, log=place.log, listen=listen, hidden=self.hidden)
                    for case in keeper.waiting.values():
                        if not self._is_done(case):  # by another run on this store, meanwhile
                            self._miss(case, "failed", error or "its process ended without an answer", place)
                if measure:
                    self._ask_for_probabilities(label, cases, place)
            except executor.Stopped:
                return
        self.progress.finish(label)

    def _finish_answered(self, case: Planned) -> None:
        """Finish a case unless its probabilities are still to be asked for."""
        if losses.settled(case, self.store, self.protocol):
            self._finish(case)

    def _ask_for_probabilities(self, label: str, cases: Sequence[Planned], place: Workplace) -> None:
        """Ask answered cases for what their nats a cell need, and finish them."""
        rest = [c for c in cases if self._is_answered(c) and not losses.settled(c, self.store, self.protocol)]
        if not rest:
            return
        asking = [losses.Asking.of(case, self.store, self.protocol) for case in rest]
        asks = [ask for one in asking for ask in one.job(place)]
        job = write_asks(asks, rest, place, self.store, self.source, self.protocol, self.where, hidden=self.hidden)
        keeper = losses.LossKeeper(asking, self.store, place, self._say_without_losses)
        listen = self._listener(label, keeper, losses.KEPT)
        error = executor.run_worker(job, log=place.log, listen=listen, hidden=self.hidden)
        for cost_id in list(keeper.waiting):
            keeper.missed(cost_id, "failed", error or "its process ended without a word")
        for case in rest:
            self._finish(case)

    def _say_without_losses(self, case: Planned, reason: str) -> None:
        self.progress.say(f"no nats a cell: {case.label}: {reason}")

    def _listener(
        self, label: str, keeper: Keeper | losses.LossKeeper, events: Sequence[str]
    ) -> Callable[[dict[str, Any]], None]:
        """Return what hears a worker's messages: progress and validation scores here, all else by the keeper."""

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
                raise BadMessage(f"its process sent '{event}', which is not asked for")

        return listen

    def _say_what_is_reached(self, reached: Sequence[Path]) -> None:
        new = [path for path in reached if path not in self._said]
        self._said.update(new)
        for path in new:
            self.progress.say(
                f"warning: {path} lies where models may read; move it, or their records say 'not confined'"
            )

    def _miss(self, case: Planned, status: Reason, reason: str, place: Workplace) -> None:
        """Record a case that a worker left out or failed in, and keep what the worker printed."""
        self._record_reason(case, status, plain(reason))
        if status == "skipped":
            self._tell_once(f"skipped: {case.model.name}: {plain(reason)}")
        else:
            self._keep_log(place.log, case)
            self.progress.say(f"failed: {case.label}: {plain(reason)}")

    def _finish(self, case: Planned) -> None:
        """Score a case from its stored answers and write its record; facts and costs may be what no record takes."""
        try:
            self._write(done_record(case, self.scoring))
        except (ValueError, TypeError, KeyError) as error:
            self._record_reason(case, "failed", plain(f"what its process said fits no record: {error}"))

    def _record_reason(self, case: Planned, status: Reason, reason: str) -> None:
        """Record a case that has no scores."""
        described = describe_planned(case, self.protocol)
        self._write(reason_record(described, case.model, case.identity, status, reason, self.protocol))

    def _write(self, record: Record) -> None:
        """Write a record and say so."""
        self.run.write(record)
        (self.progress.case if self.planned else self.progress.known)(record)

    def _skip_all(self, models: Sequence[Model], spec: SplitSpec, city: str, reason: str) -> None:
        """Record that no model can take part in a split."""
        for model in models:
            record = skipped_record(model, spec, city, reason, self.protocol)
            if record.identity.cost not in self.cases:
                self.cases.append(record.identity.cost)
                self.run.write(record)

    def _keep_log(self, log: Path, case: Planned) -> None:
        target = self.run.folder / "logs" / f"{case.identity.cost}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)

    def _write_manifest(self) -> None:
        wanted = self.protocol
        self.run.write_manifest(protocol=wanted.name, version=wanted.version, scale=wanted.scale, cases=self.cases)


def run_name(protocol: Protocol, source: Source) -> str:
    """Folder of a protocol's run: its name, with the scale and the source's kind where they are not the defaults."""
    scale = "" if protocol.scale == "default" else f"-{protocol.scale}"
    return f"{protocol.name}{scale}" + ("" if source.synthetic else f"-{source.name}")


def lacking(needs: Needs, device: str) -> str | None:
    """Return what an adapter needs and this machine lacks, or None."""
    import importlib.util

    missing = [name for name in needs.packages if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        if needs.install:
            return f"not installed: pip install '{needs.install}'"
        return f"needs {', '.join(missing)}: pip install {' '.join(missing)}"
    if needs.cuda and device != "cuda":
        return "needs a CUDA device; this machine has none"
    if needs.cpu_gb > machine().memory_gb:
        return f"needs {needs.cpu_gb:g} GB of memory; this machine has {machine().memory_gb:g}"
    return None
