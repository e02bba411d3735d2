"""Every adapter of the registry keeps the promises of the conformance suite."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_llama import small_base
from stub_server import serving

from bench.adapters import registry
from bench.adapters.conformance import CHECKS, Subject
from bench.adapters.small_world import SmallWorld
from bench.data.world import Window


def _replayed(folder: Path) -> dict[str, Any]:
    """Give replay a file that answers some queries, masks some and lacks others."""
    truth = SmallWorld.make().truth.to_frame()
    rows = truth.iloc[::2].copy()
    rows.loc[rows.index[::10], ["x", "y"]] = 999
    rows[["uid", "d", "t", "x", "y"]].to_csv(folder / "answers.csv", index=False)
    return {"answers": folder / "answers.csv"}


def _small_llama(folder: Path) -> dict[str, Any]:
    """Tune a small random base on the last days."""
    return {"base": str(small_base(folder / "base")), "history_days": 2, "batch": 2, "learning_rate": 1e-2}


def _served(folder: Path) -> dict[str, Any]:
    """Ask a small server, which lives as long as the tests."""
    server = serving()
    SERVERS.append(server)
    return {"url": server.__enter__().url, "parallel": 2}


SERVERS: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def _servers_end() -> Iterator[None]:
    yield
    while SERVERS:
        SERVERS.pop().__exit__(None, None, None)


# Settings that make an adapter small enough for a test, or that it cannot do without; the others run on defaults.
SETTINGS: dict[str, dict[str, Any] | Callable[[Path], dict[str, Any]]] = {
    "replay": _replayed,
    "consensus": lambda folder: {"answers": {"R": [_replayed(folder)["answers"]] * 3}},
    "candidate_boosting": {"trees": 10, "rows": 5000},
    "llama_mob": _small_llama,
    "llama_mob_parallel": _small_llama,
    "llm_api": _served,
    "lp_bert": {"init": "scratch", "epochs": 1, "batch": 4, "learning_rate": 1e-3},
}
NETWORKS = {"lp_bert", "llama_mob", "llama_mob_parallel"}  # slow: they are asked for one day
ONE_DAY = Window(history=(0, 20), horizon=(21, 21))
VARIANTS: dict[str, dict[str, Any]] = {
    "bigram, drawn": {"use": "bigram", "top_p": 0.7},
    "kernel_vote, off-days found": {"use": "kernel_vote", "off_days": "data"},
    "kernel_vote, days drawn": {"use": "kernel_vote", "decode": "expected_geobleu", "samples": 8},
    "candidate_boosting, days drawn": {"use": "candidate_boosting", "decode": "expected_geobleu", "samples": 8},
    "expected_day, histories": {"use": "expected_day", "learn": "test histories", "score": "giscup25"},
    "expected_day, as shipped": {"use": "expected_day", "learn": "nothing", "transitions": 0.0, "decode": "proximity"},
    "expected_day, off-days found": {"use": "expected_day", "learn": "nothing", "off_days": "data"},
    "offday_slot_mode, off-days found": {"use": "offday_slot_mode", "off_days": "data"},
}


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The adapter of a name, with its test settings; fitted once for all its checks."""
    variant = dict(VARIANTS.get(request.param, {}))
    name = variant.pop("use", request.param)
    adapter = registry.get(name)
    lacking = [package for package in adapter.needs.packages if importlib.util.find_spec(package) is None]
    if lacking or adapter.needs.cuda:
        pytest.skip(f"{name} needs {', '.join(lacking) or 'a GPU'}")
    folder = tmp_path_factory.mktemp(name)
    given = SETTINGS.get(name, {})
    world = SmallWorld.make(window=ONE_DAY) if name in NETWORKS else SmallWorld.make()
    return Subject(adapter, {**(given(folder) if callable(given) else given), **variant}, folder, world)


@pytest.mark.parametrize("subject", [*sorted(registry.names()), *VARIANTS], indirect=True, scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_adapter_keeps_its_promises(check: Callable[[Subject], None], subject: Subject) -> None:
    check(subject)
