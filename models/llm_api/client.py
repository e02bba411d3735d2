"""Requests to the server: the openai package, with tries, a cache on disk and a key that stays in memory."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.files import write_text
from models.llm_api.settings import LlmApiSettings

LONGEST_WAIT_S = 60.0
SHOWN = 200  # characters of a server's message
FAILED_FOR_GOOD = (401, 403, 404)  # the key, or the model's name: no other request would fare better
FAULTS = (408, 409, 425, 429)  # and all from 500 on: tried again


class Unanswered(Exception):
    """One request came to nothing, after all tries."""


class NotInForm(Exception):
    """The server does not take this form of answers."""


@dataclass(frozen=True)
class Reply:
    """What the server wrote. read, written: tokens; retries: tries before this one; cached: it was asked before."""

    text: str
    read: int
    written: int
    seconds: float = 0.0
    retries: int = 0
    cached: bool = False


class Client:
    """Asks one server for one model. folder: of the cache, one file a request, named by its hash."""

    def __init__(self, settings: LlmApiSettings, folder: Path, wait: Callable[[float], None] = time.sleep) -> None:
        import openai

        self._openai, self.settings, self.folder, self._wait = openai, settings, folder, wait
        self._key = os.environ.get(settings.key_from, "") if settings.key_from else ""
        if settings.key_from and not self._key:
            raise UserError(f"llm_api: the environment has no {settings.key_from}; set it, or leave key_from out")
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=settings.url, max_retries=0, timeout=settings.timeout_seconds
        )
        self._model = settings.model
        self._lock = threading.Lock()

    def model(self) -> str:
        """Return the model's name; where the settings name none, the only one that the server lists."""
        with self._lock:
            if not self._model:
                names = sorted(str(found.id) for found in self._tried(lambda: self._client.models.list().data)[0])
                if len(names) != 1:
                    listed = ", ".join(names[:8]) or "none"
                    raise UserError(f"llm_api: {self._where} lists {len(names)} models ({listed}); set model to one")
                self._model = names[0]
        return self._model

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """Send a request, or return what came back the last time. Raises Unanswered, NotInForm, UserError."""
        path = self._path(request)
        if (found := _cached(path)) is not None:
            return found
        started = time.perf_counter()
        (text, read, written), retries = self._tried(lambda: self._send(request))
        reply = Reply(text, read, written, time.perf_counter() - started, retries)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"text": reply.text, "read": reply.read, "written": reply.written}) + "\n")
        return reply

    def is_cached(self, request: Mapping[str, Any]) -> bool:
        """Whether the answer to a request lies on disk."""
        return _cached(self._path(request)) is not None

    def _path(self, request: Mapping[str, Any]) -> Path:
        content = json.dumps([self.settings.url, request], sort_keys=True)
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"

    def _send(self, request: Mapping[str, Any]) -> tuple[str, int, int]:
        """Return text, tokens read and tokens written. Raises what openai raises, ValueError for what is no answer."""
        found = self._client.chat.completions.create(**request)
        choices = getattr(found, "choices", None)
        text = choices[0].message.content if choices else None
        if not isinstance(text, str):
            raise ValueError("the server's answer holds no text")
        spent = getattr(found, "usage", None)
        return text, int(getattr(spent, "prompt_tokens", 0) or 0), int(getattr(spent, "completion_tokens", 0) or 0)

    def _tried(self, send: Callable[[], Any]) -> tuple[Any, int]:
        """Send until it works, with longer and longer waits; return what came, and how many tries had failed."""
        why, delay = "", 0.0
        for attempt in range(self.settings.attempts):
            if attempt:
                self._wait(delay)
            delay = min(LONGEST_WAIT_S, self.settings.wait_seconds * 2**attempt)
            try:
                return send(), attempt
            except self._openai.APIStatusError as error:
                why = self._about(error)
                if error.status_code in FAILED_FOR_GOOD:
                    raise UserError(f"llm_api: {self._where} refuses: {why}") from None
                refused = error.status_code < 500 and error.status_code not in FAULTS
                if refused or "response_format" in why:  # llama-cpp-python calls its refusal a fault of its own
                    raise NotInForm(why) from None
                delay = max(delay, _retry_after(error.response.headers.get("retry-after")))
            except self._openai.APIConnectionError as error:
                why = f"{type(error).__name__}: no answer"
            except (self._openai.APIError, ValueError, TypeError, AttributeError, IndexError) as error:
                why = f"what came is no answer ({type(error).__name__})"
        raise Unanswered(f"llm_api: {self._where}: {why}, after {self.settings.attempts} tries") from None

    @property
    def _where(self) -> str:
        return self.settings.url

    def _about(self, error: Any) -> str:
        """Return the status and the server's words, without the key."""
        body = error.body if isinstance(error.body, dict) else {}
        said = body.get("message") or body.get("detail") or ""
        return f"status {error.status_code} {hidden(' '.join(str(said).split())[:SHOWN], self._key)}".strip()


def hidden(text: str, key: str) -> str:
    """Return a text without the key: servers repeat it, whole or its beginning and end."""
    words = []
    for word in text.split(" "):
        bare = word.strip(".,;:'\"()[]")
        like = len(bare) > 5 and key and (key in word or bare in key or key.startswith(bare[:6]) or "***" in bare)
        words.append("***" if like else word)
    return " ".join(words)


def _retry_after(value: str | None) -> float:
    """Return the seconds that a server asks to wait, at most LONGEST_WAIT_S; 0 where it says none."""
    try:
        return max(0.0, min(LONGEST_WAIT_S, float(value or 0)))
    except ValueError:
        return 0.0


def _cached(path: Path) -> Reply | None:
    """Return the answer of an earlier request; what is not whole counts as none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Reply(str(found["text"]), int(found["read"]), int(found["written"]), cached=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
