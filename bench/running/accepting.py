"""What a worker leaves is checked here, and only the runner writes it into the store.

A worker reaches its own folders only and may leave anything there, so nothing is trusted: answers are read as arrays
and checked against the queries, and numbers pass through the record's own types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.evaluation import answers as checks
from bench.records.store import Store, write_answers, write_json
from bench.running.job import Workplace
from bench.running.messages import BadMessage
from bench.running.plan import Planned
from bench.running.recording import Reason
from bench.running.tables import read_answers


class Keeper:
    """Accepts what one worker produced for some cases.

    closed: whether nothing hidden lies in reach of a confined worker.
    missed(case, status, reason) is called for each case without answers, kept(case) for each one in the store.
    """

    def __init__(
        self, cases: Sequence[Planned], store: Store, place: Workplace, *, alone: bool, closed: bool,
        kept: Callable[[Planned], None], missed: Callable[[Planned, Reason, str], None],
    ) -> None:  # fmt: skip
        self.store, self.place, self.alone = store, place, alone
        self.closed = closed
        self.waiting = {case.identity.cost: case for case in cases}
        self.fit_id = cases[0].identity.fit
        self.confined: bool | None = None
        self._kept, self._missed = kept, missed

    def started(self, confined: bool) -> None:
        """Note whether the worker is confined: it says so before anything of the model is imported, and once."""
        if self.confined is None:
            self.confined = confined and self.closed

    def fitted(self, fit: dict[str, Any]) -> None:
        """Move what adapter.save wrote into the store."""
        if not self.place.fit.is_dir() or self.store.fit(self.fit_id).exists():
            raise BadMessage("its process reported its fit twice")
        write_json(self.place.fit / "fit.json", {**_numbers(fit, "fit_seconds", *PEAKS), "confined": self.confined})
        self.store.commit_fit(self.place.fit, self.fit_id)

    def part(self, cost_id: str, answered: dict[str, Any] | None, cost: dict[str, Any] | None) -> None:
        """Keep the answers to one case, and what they cost."""
        case = self._taken(cost_id)
        try:
            if answered is not None:
                self._keep_answers(case, answered)
            if cost is not None:
                write_json(self.store.cost(cost_id), {**cost, "alone": self.alone})
        except (checks.WrongAnswers, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
            self._missed(case, "failed", f"its answers cannot be accepted: {type(error).__name__}: {error}")
            return
        self._kept(case)

    def missed(self, cost_id: str, status: str, reason: str) -> None:
        """Pass on why the model skipped a case or failed in it."""
        self._missed(self._taken(cost_id), "skipped" if status == "skipped" else "failed", reason or "no reason given")

    def _taken(self, cost_id: str) -> Planned:
        case = self.waiting.pop(cost_id, None)
        if case is None:
            raise BadMessage("its process reported a case that is not its own")
        return case

    def _keep_answers(self, case: Planned, said: dict[str, Any]) -> None:
        split = case.prepared.split
        given = checks.check(
            read_answers(self.place.output(case.identity.cost)), split.queries, split.world(split.test_city).grid
        )
        path = self.store.answers(case.identity.answers)
        used = {str(name): float(value) for name, value in dict(said["usage"]).items()}
        about = {**_numbers(said, "predict_seconds"), "usage": used, "confined": self.confined}
        write_json(path.with_suffix(".json"), about)
        write_answers(path, given, split.queries)


KEPT = ("started", "fitted", "part", "missed")  # the messages that a Keeper takes
PEAKS = ("peak_memory_mb", "peak_gpu_memory_mb")


def _numbers(content: dict[str, Any], *names: str) -> dict[str, float | None]:
    """Return these entries as numbers. Raises BadMessage."""
    try:
        return {name: None if content[name] is None else float(content[name]) for name in names}
    except (KeyError, TypeError, ValueError):
        raise BadMessage("its process reported figures that are not numbers") from None
