"""A process of its own for one fit and all its predictions; worker_start.py has confined it and read its job.

This is the only way to stop a hang, measure memory and contain a crash. The worker reads training rows, histories and
queries, never the truth. It leaves its results in its own folders, where the runner fetches them (accepting.py). When
its standard input ends, its parent is gone, and it ends too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.adapters import registry, usage
from bench.adapters.adapter import Adapter, Context, Split
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.data.world import Window, World
from bench.evaluation import answers as checks
from bench.profiling import timing
from bench.running import outsiders
from bench.running.messages import Voice
from bench.running.tables import read_poi, read_table, write_answers


def work(job: dict[str, Any], *, confined: bool) -> int:
    """Do the job; return 0, or 1 after an error that ended all cases (and was reported)."""
    np.seterr(all="ignore")
    voice = Voice(int(job["voice"]))
    voice.say("started", confined=confined)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if "describe" in job:
            outsiders.tell(job["describe"], voice)
        elif "asks" in job:
            from bench.running.loss_worker import tell

            tell(Worker(job, voice), job["asks"])
        else:
            Worker(job, voice).work()
    except Exception as error:
        traceback.print_exc()
        voice.say("error", message=_one_line(error))
        return 1
    return 0


class Worker:
    """One adapter with one fit, and the parts of the job: each is one case."""

    def __init__(self, job: dict[str, Any], voice: Voice) -> None:
        self.job, self.voice = job, voice
        if job["target"]:
            registry.add(job["target"])
        self.adapter = registry.make(job["adapter"], job["settings"])
        self.adapter.device = job["context"]["device"]
        self.context = _context(job, voice)

    def work(self) -> None:
        """Ask which parts the model takes part in, fit, and answer them. An error in one part ends only that part."""
        self.begin("predict_seconds")
        taking_part = [part for part in self.job["parts"] if self._takes_part(part)]
        if not taking_part:
            return
        self._fit_or_load(taking_part[0])
        for part in taking_part:
            try:
                self._answer(part)
            except Exception as error:
                self.failed(part, error)

    def _takes_part(self, part: dict[str, Any]) -> bool:
        if type(self.adapter).skip is Adapter.skip:  # it never skips: the training rows need not be read for it
            return True
        try:
            reason = self.adapter.skip(self._split(part))
        except Exception as error:
            self.failed(part, error)
            return False
        if reason:
            self.voice.say("missed", cost_id=part["cost_id"], status="skipped", reason=str(reason))
        return not reason

    def failed(self, part: dict[str, Any], error: Exception) -> None:
        """Say that a part failed, and why."""
        traceback.print_exception(error)
        self.voice.say("missed", cost_id=part["cost_id"], status="failed", reason=_one_line(error))

    def _split(self, part: dict[str, Any]) -> Split:
        history, queries = _asked(part)
        train, validate = _learned(part)
        tables = (train, validate, history, queries)
        return Split(tuple(part["train_cities"]), part["label"], self.context.window, *tables, _worlds(part))

    def load(self) -> bool:
        """Load the fit if the runner has it; return whether it has."""
        if self.job["made"]:
            self.adapter.load(Path(self.job["made"]))
        return bool(self.job["made"])

    def _fit_or_load(self, part: dict[str, Any]) -> None:
        """Load the fit if the runner has it; else fit and save it."""
        if self.load():
            return
        seconds = None
        if self.adapter.learns_from != "nothing":
            train, validate = _learned(part)
            if self.adapter.learns_from == "test histories":
                train = Trajectories.concat([train, _asked(part)[0]])
            self.begin("fit_seconds")
            started = time.perf_counter()
            self.adapter.fit(train, validate, self.context_of(part, part["train_cities"][0]))
            timing.synchronise(self.context.device)
            seconds = time.perf_counter() - started
        self.adapter.save(Path(self.job["fit"]))
        self.voice.say("fitted", fit={"fit_seconds": seconds, **_peaks(self.adapter)})

    def _answer(self, part: dict[str, Any]) -> None:
        history, queries = _asked(part)
        self.begin("predict_seconds")
        ctx = self.context_of(part, part["label"])
        timed = part["measure"] and self.adapter.timed
        if timed:
            timing.warm_up(self.adapter, history, queries, ctx)
        answered = measured = batch = None
        if part["answer"]:
            raw, calls = self._predict(history, queries, part["label"], ctx)
            write_answers(Path(part["output"]), checks.check(raw, queries, ctx.grid))
            used = usage.total([call.used for call in calls])
            answered = {"predict_seconds": sum(call.seconds for call in calls), "usage": used}
            batch = calls[0]
        if part["measure"]:
            times = timing.measure(self.adapter, history, queries, ctx, batch) if timed else {}
            measured = {**times, **_peaks(self.adapter), "facts": _facts(self.adapter)}
            measured["learning"] = self.adapter.learning().model_dump(mode="json")
        self.voice.say("part", cost_id=part["cost_id"], answered=answered, cost=measured)

    def context_of(self, part: dict[str, Any], city: str) -> Context:
        """Return the context with the worlds of a part, at one of its cities, and the time limit of the phase."""
        return replace(self.context, worlds=_worlds(part)).at(city)

    def _predict(
        self, history: Trajectories, queries: Queries, label: str, ctx: Context
    ) -> tuple[Answers, list[timing.Call]]:
        """Answer in batches of users, with progress and within the time limit; return what each call took, too."""
        parts, calls = [], []
        users = queries.users
        for first, chunk in _chunks(queries, self.adapter.batch_users):
            ctx.check_time()
            ctx.progress(f"{label}: predict", first, len(users))
            answers, call = timing.timed_call(self.adapter, history.only(chunk.users), chunk, ctx)
            if not isinstance(answers, Answers) or len(answers) != len(chunk):
                checks.check(answers, chunk, ctx.grid)
            parts.append(answers)
            calls.append(call)
        ctx.progress(f"{label}: predict", len(users), len(users))
        return Answers.concat(parts), calls

    def begin(self, limit: str) -> None:
        """Begin a phase with its time limit; the runner stops a model that does not watch the clock."""
        seconds = self.job["limits"][limit]
        self.context.deadline = time.monotonic() + seconds if seconds else None
        self.voice.say("phase", seconds=seconds)


def _asked(part: dict[str, Any]) -> tuple[Trajectories, Queries]:
    tables = part["tables"]
    return read_table(Path(tables["history"]), Trajectories), read_table(Path(tables["queries"]), Queries)


def _learned(part: dict[str, Any]) -> tuple[Trajectories, Trajectories | None]:
    tables = part["tables"]
    validate = read_table(Path(tables["validate"]), Trajectories) if "validate" in tables else None
    return read_table(Path(tables["train"]), Trajectories), validate


def _worlds(part: dict[str, Any]) -> dict[str, World]:
    return {city: World.of_plain(plain) for city, plain in part["worlds"].items()}


def _peaks(adapter: Adapter) -> dict[str, float | None]:
    """Return peak memory so far; None for an adapter that only reads a file."""
    if not adapter.timed:
        return {"peak_memory_mb": None, "peak_gpu_memory_mb": None}
    return {"peak_memory_mb": timing.peak_memory_mb(), "peak_gpu_memory_mb": timing.peak_gpu_memory_mb()}


def _facts(adapter: Adapter) -> Mapping[str, int | float | str]:
    """Return the adapter's facts. Raises TypeError where one is neither a number nor text."""
    facts = dict(adapter.facts())
    for key, value in facts.items():
        if not isinstance(key, str) or not isinstance(value, int | float | str):
            raise TypeError(f"facts() gives {key!r} a {type(value).__name__}; only numbers and text are allowed")
    return facts


def _chunks(queries: Queries, size: int) -> Iterator[tuple[int, Queries]]:
    starts = queries.starts
    for first in range(0, len(queries.users), size):
        last = min(first + size, len(queries.users))
        yield first, queries.take(slice(int(starts[first]), int(starts[last])))


def _context(job: dict[str, Any], voice: Voice) -> Context:
    given = job["context"]
    return Context(
        window=Window(tuple(given["history"]), tuple(given["horizon"])),
        seed=given["seed"],
        device=given["device"],
        threads=job["threads"],
        ranks=given["ranks"],
        poi={city: read_poi(Path(path)) for city, path in given["poi"].items()},
        folder=Path(job["scratch"]),
        progress=voice.progress,
        intermediate=lambda step, value: voice.say("intermediate", step=int(step), value=float(value)),
    )


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin.read: its lock would outlive this thread at the end
        pass
    os._exit(3)


def _one_line(error: BaseException) -> str:
    """Name the error, its text and the adapter's line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).resolve().parent
    own = [frame for frame in frames if Path(frame.filename).resolve().parent != here] or list(frames)
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return " ".join(f"{type(error).__name__}: {error}{place}".split())[:500]
