"""Commands of the project that run side by side until a time: each ends by itself, or is interrupted and tidies up."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

GRACE = 20.0  # seconds that an interrupted command has to tidy up
POLL = 0.2


@dataclass(frozen=True)
class Step:
    """A command: what it is called in tables, and the module with its arguments, as after ``python -m``."""

    name: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command as a reader may type it."""
        return f"python -m {shlex.join(self.arguments)}"


@dataclass(frozen=True)
class Outcome:
    """How a step ended: its exit code, None if its time was over; the seconds it took; and its log."""

    step: Step
    code: int | None
    seconds: float
    log: Path

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, and not well."""
        return bool(self.code)

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        if self.code is None:
            return "stopped: its time was over"
        return "done" if self.code == 0 else f"failed (exit code {self.code}): {_last_line(self.log)}"


def run(steps: Sequence[Step], until: float, to: Path) -> list[Outcome]:
    """Run steps side by side until ``until`` (of time.monotonic); what they print goes to ``to``/logs/NAME.log."""
    began, ended = time.monotonic(), dict[str, tuple[int | None, float]]()
    logs = {step.name: to / "logs" / f"{step.name}.log" for step in steps}
    (to / "logs").mkdir(parents=True, exist_ok=True)
    started = {step.name: _start(step, logs[step.name]) for step in steps}
    try:
        with Console(stderr=True).status("") as status:
            while len(ended) < len(steps):
                now = time.monotonic()
                for name in started.keys() - ended.keys():
                    code = started[name].poll()
                    if code is not None:
                        ended[name] = code, now - began
                    elif now > until:
                        interrupt(started[name])
                        ended[name] = None, time.monotonic() - began
                left = sorted(started.keys() - ended.keys())
                status.update(f"{', '.join(left)}: {now - began:.0f} of {until - began:.0f} s")
                time.sleep(POLL)
    finally:
        for process in started.values():
            interrupt(process)
    return [Outcome(step, *ended[step.name], logs[step.name]) for step in steps]


def _start(step: Step, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        output.write(f"$ {step.command}\n".encode())
        output.flush()
        command = [sys.executable, "-m", *step.arguments]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Stop a process as Ctrl-C does; one that does not end is killed with all that it started."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
