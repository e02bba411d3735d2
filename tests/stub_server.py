"""A small OpenAI-compatible server that answers from the prompt, after the faults that a test orders."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789abcdef"
ROW = re.compile(r"^(\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass
class Stub:
    """What the server does and what it heard.

    faults: what the next requests meet, one each: a status, "cut" (half an answer), "garbage" (no JSON), "empty" (no
    choices). refuses: response formats that it does not take; says: text instead of the right answer.
    """

    url: str = ""
    key: str | None = None
    models: tuple[str, ...] = ("stub",)
    faults: list[int | str] = field(default_factory=list)
    always: int | None = None
    retry_after: float = 0
    refuses: tuple[str, ...] = ()
    refuses_with: int = 400
    says: str | None = None
    slow: float = 0.0  # seconds that an answer takes
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def answer_to(question: str) -> str:
    """Answer each point that is asked for with the last cell of the records."""
    rows = [tuple(map(int, row)) for row in ROW.findall(question)]
    x, y = next(row[2:] for row in reversed(rows) if row[2] != 999)
    return json.dumps({"prediction": [[d, t, x, y] for d, t, at, _ in rows if at == 999]})


class Handler(BaseHTTPRequestHandler):
    """Answers one connection as the stub says."""

    protocol_version = "HTTP/1.1"

    @property
    def stub(self) -> Stub:
        return self.server.stub  # type: ignore[attr-defined]

    def log_message(self, *_args: object) -> None:
        return

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.stub.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.stub.lock:
            self.stub.requests.append(body)
            self.stub._now += 1
            self.stub.most_at_once = max(self.stub.most_at_once, self.stub._now)
            fault = self.stub.faults.pop(0) if self.stub.faults else self.stub.always
        try:
            time.sleep(self.stub.slow)
            self.answer(body, fault)
        finally:
            with self.stub.lock:
                self.stub._now -= 1

    def answer(self, body: dict[str, Any], fault: int | str | None) -> None:
        given_key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        form = body.get("response_format", {}).get("type", "none")
        if self.stub.key and given_key != self.stub.key:
            self.reply(401, {"error": {"message": f"Incorrect API key provided: {given_key[:8]}***{given_key[-4:]}."}})
        elif isinstance(fault, int):
            self.reply(fault, {"error": {"message": f"fault {fault} for {given_key}"}})
        elif form in self.stub.refuses:
            self.reply(self.stub.refuses_with, {"error": {"message": f"response_format {form} is not supported"}})
        elif fault == "garbage":
            self.raw(b'{"choices": [{"mess')
        elif fault == "empty":
            self.reply(200, {"id": "1", "object": "chat.completion", "choices": []})
        else:
            said = self.stub.says if self.stub.says is not None else answer_to(body["messages"][-1]["content"])
            read = sum(len(part["content"]) for part in body["messages"]) // 4
            message = {"role": "assistant", "content": said}
            content = {
                "id": "1",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": read, "completion_tokens": len(said) // 4, "total_tokens": 0},
            }
            if fault == "cut":
                self.raw(json.dumps(content).encode()[:80], claimed=4000)
            else:
                self.reply(200, content)

    def reply(self, status: int, content: dict[str, Any]) -> None:
        self.raw(json.dumps(content).encode(), status)

    def raw(self, text: bytes, status: int = 200, claimed: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(claimed or len(text)))
        if status == 429:
            self.send_header("Retry-After", str(self.stub.retry_after))
        self.end_headers()
        self.wfile.write(text)
        if claimed:
            self.close_connection = True


@contextmanager
def serving(**given: Any) -> Iterator[Stub]:
    """Run a server while the block lasts."""
    stub = Stub(**given)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.stub = stub  # type: ignore[attr-defined]
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
