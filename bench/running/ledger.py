"""A run's records: which cases are already done, and what is written about each.

Skipped and failed cases get records too, with their reasons.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.data.sources import Source
from bench.protocol.schema import Protocol, SplitSpec
from bench.records.record import SCHEMA, Record
from bench.records.store import Run, Store
from bench.running import losses
from bench.running.hardware import Hardware
from bench.running.job import Workplace
from bench.running.messages import plain
from bench.running.model import Model
from bench.running.plan import Planned
from bench.running.progress import Progress
from bench.running.recording import Reason, describe_planned, reason_record, skipped_record
from bench.running.scoring import ScoringContext, done_record


class Ledger:
    """The records of one run.

    cases: cost identities, in the order of the protocol; opened: whether the plan is complete. Records written before
    that do not count as progress.
    """

    def __init__(
        self, protocol: Protocol, source: Source, store: Store, run: Run, where: Hardware, progress: Progress
    ) -> None:
        self.protocol, self.store, self.run, self.progress = protocol, store, run, progress
        self.scoring = ScoringContext(protocol, source, store, run, where)
        self.cases: list[str] = []
        self.opened = False
        self._told: set[str] = set()  # why models take no part

    def open(self) -> None:
        """Write the list of cases; the plan is complete."""
        wanted = self.protocol
        self.run.write_manifest(protocol=wanted.name, version=wanted.version, scale=wanted.scale, cases=self.cases)
        self.opened = True

    def is_done(self, case: Planned) -> bool:
        """Whether a case has a record, or everything needed to write one."""
        record = self.run.read(case.identity.cost)
        if record is not None and record.status == "done" and self._asks_the_same(record, case):
            self._warn_of_changed_source(record, case.model)
            if record.schema_version == SCHEMA or not self.is_answered(case):
                self.progress.known(record)
                return True
        if self.is_answered(case) and losses.settled(case, self.store, self.protocol):
            self.finish(case)
            return True
        return False

    def is_answered(self, case: Planned) -> bool:
        """Whether the store holds a case's answers and costs."""
        return self.store.answers(case.identity.answers).exists() and self.store.measured(case.identity.cost)

    def finish(self, case: Planned) -> None:
        """Score a case from its stored answers and write its record; it fails if facts or costs do not fit a record."""
        try:
            self._write(done_record(case, self.scoring))
        except (ValueError, TypeError, KeyError) as error:
            self._give_reason(case, "failed", plain(f"what its process reported fits no record: {error}"))

    def finish_unless_asked_further(self, case: Planned) -> None:
        """Finish a case unless its probabilities are still to be asked for."""
        if losses.settled(case, self.store, self.protocol):
            self.finish(case)

    def skip(self, case: Planned, reason: str) -> None:
        """Record that a model skips a case; print each reason once."""
        line = f"skipped: {case.model.name}: {reason}"
        if line not in self._told:
            self._told.add(line)
            self.progress.say(line)
        self._give_reason(case, "skipped", reason)

    def skip_all(self, models: Sequence[Model], spec: SplitSpec, city: str, reason: str) -> None:
        """Record that all models skip a test city."""
        for model in models:
            record = skipped_record(model, spec, city, reason, self.protocol)
            if record.identity.cost not in self.cases:
                self.cases.append(record.identity.cost)
                self.run.write(record)

    def miss(self, case: Planned, status: Reason, reason: str, place: Workplace) -> None:
        """Record a case that a worker skipped or failed in; keep a failed worker's output."""
        if status == "skipped":
            self.skip(case, plain(reason))
            return
        self._give_reason(case, status, plain(reason))
        self._keep_log(place.log, case)
        self.progress.say(f"failed: {case.label}: {plain(reason)}")

    def _asks_the_same(self, record: Record, case: Planned) -> bool:
        """Whether scoring again would give the same record."""
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
                f"warning: the code of '{model.adapter}' has changed, its version {model.version} has not. Earlier "
                f"answers are reused; raise the version if the same settings now give other answers"
            )

    def _give_reason(self, case: Planned, status: Reason, reason: str) -> None:
        """Record a case that has no scores."""
        described = describe_planned(case, self.protocol)
        self._write(reason_record(described, case.model, case.identity, status, reason, self.protocol))

    def _write(self, record: Record) -> None:
        """Write a record and say so."""
        self.run.write(record)
        (self.progress.case if self.opened else self.progress.known)(record)

    def _keep_log(self, log: Path, case: Planned) -> None:
        target = self.run.folder / "logs" / f"{case.identity.cost}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, target)
