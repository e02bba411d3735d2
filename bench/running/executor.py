"""Start worker processes, listen to them and stop them. A hang, a crash or Ctrl-C never ends the run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import cache
from bench.running.grants import import_path
from bench.running.messages import BadMessage, parse, plain

GRACE_S = 5.0
POLL_S = 0.5
LONGEST_MESSAGE = 1 << 24

_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


class Stopped(Exception):
    """The run is being interrupted."""


def run_worker(
    job: dict[str, Any], *, log: Path, listen: Callable[[dict[str, Any]], None], hidden: Sequence[Path] = ()
) -> str | None:
    """Run one job (see worker.py) in a process of its own; return None, or one line saying why it failed.

    The job goes over standard input, which then stays open: its end tells the worker that we are gone. log: what the
    worker prints; hidden: paths that no variable of its environment may name. A worker says how long each of its
    phases may last; past that (and a grace) it is killed.
    """
    ours, theirs = os.pipe()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.running.worker_start"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs,),
            start_new_session=True,
            env=environment(job, hidden),
        )
    os.close(theirs)
    _running.add(process)
    try:
        _hand_over({**job, "voice": theirs}, process)
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


def environment(job: dict[str, Any], hidden: Sequence[Path]) -> dict[str, str]:
    """Return a worker's environment: the caller's, without hidden paths and with temporary folders of its own.

    Variables that look like keys or passwords are left out, except those that the model names (``Needs.environment``)
    and the hub's token.

    Waiting threads sleep instead of spinning: on a busy machine a spinning thread holds the core that the thread it
    waits for needs.
    """
    secret = tuple(str(path) for path in hidden)
    named = {*job.get("environment", ()), *HUB}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MOBILITY_BENCH_")
        and (name in named or not SECRET.search(name))
        and not any(entry.endswith(secret) for entry in value.split(os.pathsep))
    }
    home = Path(kept.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    temporary = job["temporary"]
    return {
        **kept,
        **{name: str(job["threads"]) for name in THREADS},
        **WAITING,
        "HF_HOME": kept.get("HF_HOME") or str(home / "huggingface"),
        cache.BASES: str(cache.bases()),
        "TORCH_HOME": kept.get("TORCH_HOME") or str(home / "torch"),
        "NUMBA_CACHE_DIR": job["compiled"],
        "PYTHONPATH": import_path(),
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "MPLCONFIGDIR"), temporary),
        "HF_TOKEN_PATH": f"{temporary}/token",  # the user's own cannot be read, which the hub's library takes ill
        "TRITON_CACHE_DIR": f"{temporary}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{temporary}/inductor",
    }


SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
HUB = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "TOKENIZERS_PARALLELISM")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# GNU's and LLVM's OpenMP, and OpenBLAS (2**4 cycles, its least).
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4"}


def _hand_over(job: dict[str, Any], process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code says more
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()


def _attend(process: subprocess.Popen[bytes], pipe: int, listen: Callable[[dict[str, Any]], None]) -> str | None:
    """Pass on messages until the worker closes its pipe; return its error, or that it exceeded the limit."""
    seconds = deadline = None
    rest, error = b"", None
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if _stopped.is_set():
                raise Stopped
            if deadline and time.monotonic() > deadline:
                return f"it exceeded the time limit of {seconds:g} s and was stopped"
            if not selector.select(POLL_S):
                if process.poll() is not None:  # a process that it started holds the pipe
                    break
                continue
            chunk = os.read(pipe, 65536)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_MESSAGE:
                return "its process sent an endless message"
            for line in lines:
                try:
                    message = parse(line)
                    if message["event"] == "error":
                        error = message["message"]
                    elif message["event"] == "phase":
                        seconds = message["seconds"]
                        deadline = time.monotonic() + seconds + GRACE_S if seconds else None
                    else:
                        listen(message)
                except BadMessage as fault:
                    return str(fault)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_S)
    if _stopped.is_set():
        raise Stopped
    return error


def _exit_reason(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """Say how the worker ended if it failed."""
    code = process.poll()
    if code == 0:
        return None
    if code is None:
        return "its process did not end"
    if code == -signal.SIGKILL:
        return "its process was killed (out of memory?)"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return plain(f"its process ended with code {code}: {last[0] if last else 'no output'}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
