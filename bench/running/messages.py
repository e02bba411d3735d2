"""What a worker tells its runner: JSON lines over a pipe. The runner trusts none of it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

PROGRESS_EVERY_S = 0.2
NUMBER = (int, float)
# event -> the keys that must be there and their types; nothing else may be there
EVENTS: dict[str, dict[str, Any]] = {
    "started": {"confined": bool},
    "described": {"about": dict},
    "refused": {"lines": list},
    "progress": {"label": str, "done": NUMBER, "total": NUMBER},
    "intermediate": {"step": int, "value": NUMBER},
    "phase": {"seconds": (*NUMBER, type(None))},
    "fitted": {"fit": dict},
    "part": {"cost_id": str, "answered": (dict, type(None)), "cost": (dict, type(None))},
    "probabilities": {"cost_id": str, "ask": str, "first": int, "last": int},
    "missed": {"cost_id": str, "status": str, "reason": str},
    "error": {"message": str},
}


class BadMessage(ValueError):
    """A worker sent an invalid message."""


class Voice:
    """A worker's side of the pipe."""

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
            self.say("progress", label=str(label), done=float(done), total=float(total))


def parse(line: bytes) -> dict[str, Any]:
    """Read one message. Raises BadMessage."""
    try:
        message = json.loads(line)
        wanted = EVENTS[message["event"]]
        right = set(message) == {"event", *wanted} and all(isinstance(message[k], t) for k, t in wanted.items())
    except (ValueError, KeyError, TypeError, RecursionError):
        right = False
    if not right:
        raise BadMessage("its process sent an invalid message")
    return {key: plain(value) if isinstance(value, str) else value for key, value in message.items()}


def plain(text: str) -> str:
    """Return one line of at most 500 characters that no terminal takes for a command."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))[:500]
