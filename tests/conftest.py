"""What the tests share: where real data lies, if it is there."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from bench.adapters import registry
from bench.cache import cache_folder
from bench.running.executor import WAITING

if TYPE_CHECKING:
    from models.llama_mob.base.tokens import Tokens

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MOBILITY_BENCH_REAL_DATA", ROOT.parent / "shared"))

# numba keeps its code here for workers, for tests in this process and in others: it is compiled once.
COMPILED = cache_folder() / "compiled"
with contextlib.suppress(OSError):
    COMPILED.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(COMPILED))

# Threads that wait must not spin: on a busy machine a test would take a hundred times as long.
for _name, _value in WAITING.items():
    os.environ.setdefault(_name, _value)

# The first call of a test may import or compile: no time is promised for one example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Leave what the imports made out of garbage collection: each load of a base collects, half a second long else."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Parquet copies of data that tests read go into a folder of theirs; compiled code is shared with real runs."""
    folder = tmp_path_factory.mktemp("cache")
    if COMPILED.exists():
        (folder / "compiled").symlink_to(COMPILED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBILITY_BENCH_CACHE", str(folder))
        yield


@pytest.fixture(autouse=True)
def _registered_models_end_with_their_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers would reach the workers of the next one."""
    monkeypatch.setattr(registry, "_extra", dict(registry._extra))
    monkeypatch.setattr(registry, "_introduce", None)
    monkeypatch.setattr(registry, "_stand_ins", {})


@pytest.fixture(scope="session")
def humob100() -> Path:
    """Folder with 200 real users of HuMob 2024 (100 of city B, 100 of C); skips where it is absent."""
    folder = SHARED / "data" / "humob2024-valid100"
    if not folder.exists():
        pytest.skip("real data (humob2024-valid100) is not here")
    return folder


@pytest.fixture(scope="session")
def published() -> Path:
    """A conversation file as the code of Llama-Mob's paper publishes it; skips where it is absent."""
    path = SHARED / "data" / "llama_mob_demo" / "dataset_demo.json"
    if not path.exists():
        pytest.skip("a published conversation file (llama_mob_demo) is not here")
    return path


@pytest.fixture(scope="session")
def llama3() -> Tokens:
    """Llama 3's tokenizer: of the folder BENCH_LLAMA3_TOKENIZER, or in the package llama-models; else skips."""
    from models.llama_mob.base.tokens import Tokens

    if folder := os.environ.get("BENCH_LLAMA3_TOKENIZER"):
        return Tokens.load(Path(folder))
    try:
        package = importlib.metadata.distribution("llama-models")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("Llama 3's tokenizer is not here: set BENCH_LLAMA3_TOKENIZER or install llama-models")
    return Tokens.load(Path(str(package.locate_file("llama_models/llama3"))))
