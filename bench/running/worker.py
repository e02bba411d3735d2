"""A process of its own for one fit and all its predictions: run as ``python -m bench.running.worker JOB.json``.

Only so can a hang be stopped, memory be measured and a crash be contained. It reads the job, the training rows,
histories and queries; the truth is not among them. What it has to say goes line by line as JSON to the descriptor
that the job names; when its standard input ends, its parent is gone, and it ends too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.adapters import registry, usage
from bench.adapters.adapter import Adapter, Context
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.data.world import Calendar, Grid, Window
from bench.evaluation import answers as checks
from bench.profiling import timing
from bench.records.store import Store, read_json, write_answers, write_json
from bench.running.tables import read_table

PROGRESS_EVERY_S = 0.2


class Voice:
    """Messages to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
        self._last = 0.0

    def say(self, event: str, **content: object) -> None:
        """Send one message."""
        self._file.write(json.dumps({"event": event, **content}) + "\n")
        self._file.flush()

    def progress(self, label: str, done: float, total: float) -> None:
        """Send progress, a few times a second at most."""
        now = time.monotonic()
        if now - self._last >= PROGRESS_EVERY_S or done >= total:
            self._last = now
            self.say("progress", label=label, done=float(done), total=float(total))


def main(job_file: str) -> int:
    """Do the job; return 0, or 1 after an adapter's error (which was said)."""
    job = read_json(Path(job_file))
    voice = Voice(int(job["voice"]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _work(job, voice)
    except Exception as error:
        traceback.print_exc()
        voice.say("error", message=_one_line(error))
        return 1
    voice.say("done", peak_memory_mb=timing.peak_memory_mb(), peak_gpu_memory_mb=timing.peak_gpu_memory_mb())
    return 0


def _work(job: dict[str, Any], voice: Voice) -> None:
    for target in job["targets"]:
        registry.add(target)
    adapter = registry.make(job["adapter"], job["settings"])
    store = Store(Path(job["store"]))
    context = _context(job, voice)
    _fit_or_load(adapter, job, store, context, voice)
    for part in job["parts"]:
        history = read_table(Path(part["history"]), Trajectories)
        queries = read_table(Path(part["queries"]), Queries)
        _begin(voice, context, job["limits"]["predict_seconds"])
        if part["answer"]:
            started = time.perf_counter()
            raw, spent = _predict(adapter, history, queries, context, part["label"])
            given = checks.check(raw, queries, context.grid)
            timing.synchronise(context.device)
            seconds = time.perf_counter() - started
            said = {"predict_seconds": seconds, "spent": spent}
            write_json(store.answers(part["answers_id"]).with_suffix(".json"), said)
            write_answers(store.answers(part["answers_id"]), given, queries)
        if part["measure"]:
            measured = timing.measure(adapter, history, queries, context) if adapter.timed else {}
            facts = dict(adapter.facts())
            content = {**measured, **_peaks(adapter), "alone": job["alone"], "facts": facts}
            content["learning"] = adapter.learning().model_dump(mode="json")
            write_json(store.cost(part["cost_id"]), content)
        voice.say("part", cost_id=part["cost_id"])


def _fit_or_load(adapter: Adapter, job: dict[str, Any], store: Store, context: Context, voice: Voice) -> None:
    """Load the fit from the store if it is there; else fit and save it."""
    fit_id = job["fit_id"]
    if store.fit(fit_id).exists():
        adapter.load(store.fit(fit_id))
        return
    seconds = None
    if adapter.learns_from != "nothing":
        train = read_table(Path(job["train"]), Trajectories)
        validate = read_table(Path(job["validate"]), Trajectories) if job["validate"] else None
        context.folder.mkdir(parents=True, exist_ok=True)
        _begin(voice, context, job["limits"]["fit_seconds"])
        started = time.perf_counter()
        adapter.fit(train, validate, context)
        timing.synchronise(context.device)
        seconds = time.perf_counter() - started
    (store.folder / "fits").mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=store.folder / "fits", prefix=f".{fit_id}."))
    try:
        adapter.save(part)
        write_json(part / "fit.json", {"fit_seconds": seconds, **_peaks(adapter)})
        store.commit_fit(part, fit_id)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    voice.say("fitted", seconds=seconds)


def _peaks(adapter: Adapter) -> dict[str, float | None]:
    """Peak memory so far; none of an adapter that only reads a file."""
    if not adapter.timed:
        return {"peak_memory_mb": None, "peak_gpu_memory_mb": None}
    return {"peak_memory_mb": timing.peak_memory_mb(), "peak_gpu_memory_mb": timing.peak_gpu_memory_mb()}


def _begin(voice: Voice, context: Context, seconds: float | None) -> None:
    """Begin a phase with a time limit of its own, here and at the parent, who stops what does not look at the clock."""
    context.deadline = time.monotonic() + seconds if seconds else None
    voice.say("phase", seconds=seconds)


def _predict(
    adapter: Adapter, history: Trajectories, queries: Queries, context: Context, label: str
) -> tuple[Answers, dict[str, float]]:
    """Answer in batches of users, with progress and within the time limit; return what was spent on it, too."""
    parts, spent = [], []
    users = queries.users
    for first, chunk in _chunks(queries, adapter.batch_users):
        context.check_time()
        context.progress(f"{label}: predict", first, len(users))
        parts.append(adapter.predict(history.only(chunk.users), chunk, context))
        spent.append(dict(adapter.spent()))
        if not isinstance(parts[-1], Answers) or len(parts[-1]) != len(chunk):
            checks.check(parts[-1], chunk, context.grid)
    context.progress(f"{label}: predict", len(users), len(users))
    return Answers.concat(parts), usage.total(spent)


def _chunks(queries: Queries, size: int) -> Iterator[tuple[int, Queries]]:
    starts = queries.starts
    for first in range(0, len(queries.users), size):
        last = min(first + size, len(queries.users))
        yield first, queries.take(slice(int(starts[first]), int(starts[last])))


def _context(job: dict[str, Any], voice: Voice) -> Context:
    given = job["context"]
    calendar = Calendar(frozenset(given["weekend"]), frozenset(given["holidays"]))
    window = Window(tuple(given["history"]), tuple(given["horizon"]))
    return Context(
        window=window,
        grid=Grid(**given["grid"]),
        calendar=calendar,
        seed=given["seed"],
        device=given["device"],
        threads=job["threads"],
        folder=Path(job["scratch"]),
        progress=voice.progress,
        intermediate=lambda step, value: voice.say("intermediate", step=step, value=value),
    )


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(3)


def _one_line(error: BaseException) -> str:
    """Name the error, its text and the adapter's line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    here = Path(__file__).resolve().parent
    own = [frame for frame in frames if Path(frame.filename).resolve().parent != here] or list(frames)
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return " ".join(f"{type(error).__name__}: {error}{place}".split())[:500]


if __name__ == "__main__":
    np.seterr(all="ignore")
    sys.exit(main(sys.argv[1]))
