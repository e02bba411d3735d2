"""Start worker processes, listen to them, stop them: a hang, a crash or Ctrl-C never takes the run with it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRACE_S = 5.0
POLL_S = 0.5

_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


class Stopped(Exception):
    """The run is being interrupted."""


def run_worker(job: dict[str, Any], *, folder: Path, listen: Callable[[dict[str, Any]], None]) -> str | None:
    """Run one job (see bench/running/worker.py) in a process of its own; return None, or one line saying why it failed.

    folder: where the job file and the log go. A worker says how long each of its phases may last; past that (and a
    grace) it is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = os.pipe()
    job_file = folder / "job.json"
    job_file.write_text(json.dumps({**job, "voice": theirs}), encoding="utf-8")
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.running.worker", str(job_file)],
            stdin=subprocess.PIPE,  # never written to: its end tells the worker that we are gone
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs,),
            start_new_session=True,
            env=_environment(int(job["threads"])),
        )
    os.close(theirs)
    _running.add(process)
    try:
        return _attend(process, ours, listen) or _exit_reason(process, log)
    finally:
        _kill(process)
        _running.discard(process)
        os.close(ours)


def stop_all() -> None:
    """Kill every worker; their run_worker calls raise Stopped."""
    _stopped.set()
    for process in list(_running):
        _kill(process)


def reset() -> None:
    """Forget an earlier stop."""
    _stopped.clear()


def _attend(process: subprocess.Popen[bytes], pipe: int, listen: Callable[[dict[str, Any]], None]) -> str | None:
    """Hand on messages until the worker closes its pipe; return the error it spoke of, or that it hung."""
    seconds = deadline = None
    rest, error = b"", None
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if _stopped.is_set():
                raise Stopped
            if deadline and time.monotonic() > deadline:
                return f"it hung past the time limit of {seconds:g} s and was stopped"
            if not selector.select(POLL_S):
                continue
            chunk = os.read(pipe, 65536)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if message["event"] == "error":
                    error = str(message["message"])
                elif message["event"] == "phase":
                    seconds = message["seconds"]
                    deadline = time.monotonic() + seconds + GRACE_S if seconds else None
                else:
                    listen(message)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_S)
    if _stopped.is_set():
        raise Stopped
    return error


def _exit_reason(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """Say how the worker ended, if not well."""
    code = process.poll()
    if code == 0:
        return None
    if code is None:
        return "its process did not end"
    if code == -signal.SIGKILL:
        return "its process was killed (out of memory?)"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return " ".join(f"its process ended with code {code}: {last[0] if last else 'no output'}".split())[:500]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and whatever it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, **{name: str(threads) for name in names}, "PYTHONUNBUFFERED": "1"}
