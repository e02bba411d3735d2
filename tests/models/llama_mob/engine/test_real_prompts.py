"""The claim that drafts are lossless, on prompts of real people in both cities with the shipped base, in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.adapters.adapter import Context
from bench.data.sources import open_source
from bench.data.trajectories import Trajectories
from models.llama_mob import LlamaMobSettings
from models.llama_mob.answering import Answering
from models.llama_mob.base.base import Loaded, load
from models.llama_mob.engine import Engine, Result, Task

CTX = Context(seed=1)
WAYS: dict[str, dict[str, Any]] = {
    "jump_forward": {"mode": "jump_forward"},
    "chain": {"mode": "speculative", "draft": "chain", "stop": 0.0},
    "tree": {"mode": "speculative", "draft": "tree", "stop": 0.0},
}


@pytest.fixture(scope="module")
def base() -> Loaded:
    torch.set_num_threads(1)
    return load(LlamaMobSettings(), CTX)


def tasks_of(base: Loaded, folder: Path, users: int, seen: tuple[int, int], asked: tuple[int, int]) -> list[Task]:
    """Prompts of the first users of both cities."""
    settings = LlamaMobSettings(history_days=seen[1] - seen[0] + 1)
    answering, tasks = Answering(base.model, base.tokens, settings, CTX), []
    for city in ("B", "C"):
        rows: Trajectories = open_source(f"humob:{folder}").load(city)
        rows = rows.only(rows.users[:users])
        tasks += answering._tasks(rows.days(*seen), rows.days(*asked).queries())
    return tasks


def ask(base: Loaded, tasks: list[Task], **decoding: Any) -> list[Result]:
    settings = LlamaMobSettings(decoding=decoding)
    engine = Answering(base.model, base.tokens, settings, CTX)._writer()
    assert isinstance(engine, Engine)
    return engine.predict(tasks)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampling",
    [{"choose": "expected_proximity"}, {"choose": "greedy"}, {"temperature": 0.6, "top_p": 0.9}],
    ids=["expected_proximity", "greedy", "sampled"],
)
def test_every_mode_and_batch_answers_as_token_by_token(base: Loaded, humob100: Path, sampling: dict[str, Any]) -> None:
    tasks = tasks_of(base, humob100, users=2, seen=(46, 59), asked=(60, 62))
    assert len(tasks) == 4
    constrained = ask(base, tasks, mode="constrained", batch=1, **sampling)
    passes = {}
    for name, way in WAYS.items():
        for batch in (1, 4):
            found = ask(base, tasks, batch=batch, **way, **sampling)
            for one, other in zip(found, constrained, strict=True):
                np.testing.assert_array_equal(one.cells, other.cells)
                assert one.text == other.text
            passes[name, batch] = [result.counts.passes for result in found]
        assert passes[name, 1] == passes[name, 4]
    assert passes["jump_forward", 1] == [2 * len(result.cells) - 1 for result in constrained]
    assert sum(passes["tree", 1]) < sum(passes["chain", 1]) < sum(passes["jump_forward", 1])
