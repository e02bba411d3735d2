"""Recorded passes: what is filled up changes nothing; on CUDA the graphs themselves."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from small_model import Knowing, cells, engine, small_model, tasks

from models.llama_mob.engine import graphs
from models.llama_mob.engine.attention import attend, attending, mask
from models.llama_mob.engine.graphs import LARGEST, PLACES, Graphs, Run, fill_up, room_for, size_of_feed
from models.llama_mob.engine.passes import Feed, Passes, pack

MODEL = small_model()
WAYS = [
    {"mode": "constrained"},
    {"mode": "jump_forward"},
    {"mode": "speculative", "draft": "chain", "draft_tokens": 5},
    {"mode": "speculative", "draft": "tree", "nodes": 9},
]


@pytest.fixture(autouse=True)
def _recorded_at_the_second_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "USES", 2)


class Tape:
    """Records as CUDA graphs do: fixed tensors go in and one comes out, by the same run each time."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, run: Run) -> tuple[Callable[[], object], torch.Tensor]:
        self.recorded += 1
        held = torch.zeros_like(run())

        def replay() -> None:
            self.replayed += 1
            held.copy_(run())

        return replay, held


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_recorded_passes_answer_alike(way: dict[str, object], batch: int) -> None:
    asked = tasks(batch, 7)
    plain = engine(MODEL, mode="jump_forward", batch=1).predict(asked)
    answers = {one.key: result.cells.ravel() for one, result in zip(asked, plain, strict=True)}
    tape = Tape()
    recorded = engine(MODEL, lambda one: Knowing(answers[one.key], 0.8), record=tape, batch=batch, **way)
    assert cells(recorded.predict(asked)) == cells(plain)
    assert 0 < tape.recorded < tape.replayed
    before = tape.recorded, tape.replayed
    held = recorded._held
    for _call in range(2):
        assert cells(recorded.predict(asked[:2])) == cells(plain[:2])
    assert recorded._held is held  # and the recordings with it: what is new is few
    assert tape.replayed - before[1] > 2 * (tape.recorded - before[0])


def test_a_recording_that_fails_is_told_once_and_done_without() -> None:
    def fail(_run: Run) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    asked = tasks(2, 3)
    with pytest.warns(UserWarning, match="not recorded") as told:
        found = engine(MODEL, mode="jump_forward", record=fail).predict(asked)
    assert len(told) == 1
    assert cells(found) == cells(engine(MODEL, mode="jump_forward").predict(asked))


def test_memory_that_runs_out_while_recording_halves_the_batch() -> None:
    def fail(_run: Run) -> None:
        raise torch.cuda.OutOfMemoryError("injected")

    made, users = engine(MODEL, mode="jump_forward", record=fail, batch=4), []
    decode = made._decode
    made._decode = lambda *args: users.append(args[2]) or decode(*args)
    with pytest.raises(Exception, match="one user of"):
        made.predict(tasks(2, 6))
    assert users == [4, 2, 1]


def test_large_passes_are_not_recorded() -> None:
    passes = Passes(MODEL, np.arange(2))
    cache, tape = passes.cache(2, LARGEST), Tape()
    done = Graphs(passes.forward, tape)
    for tokens, recorded in ((LARGEST // 2 + 1, 0), (4, 1)):
        packed = pack([Feed(np.zeros(tokens, np.int64), np.array([0]))] * 2, np.zeros(2, np.int64))
        with torch.inference_mode(), attending(MODEL):
            for _use in range(3):
                assert done(cache, 0, packed).shape[:2] == (2, tokens)
        assert tape.recorded == recorded


def test_a_cache_that_is_dropped_is_not_held() -> None:
    passes = Passes(MODEL, np.arange(2))
    done, cache = Graphs(passes.forward, Tape()), passes.cache(1, 64)
    with torch.inference_mode(), attending(MODEL):
        done(cache, 0, pack([Feed(np.zeros(2, np.int64), np.array([0]))], np.zeros(1, np.int64)))
    dropped = weakref.ref(cache)
    del cache
    assert dropped() is None


def test_sizes_are_few_and_large_enough() -> None:
    found = [size_of_feed(tokens) for tokens in range(1, 200)]
    assert all(tokens <= size <= max(1, 1.5 * tokens) for tokens, size in zip(range(1, 200), found, strict=True))
    assert len(set(found)) <= 18
    assert room_for(1000, 30) == 2048


def test_filled_up_trees_leave_no_token_that_sees_nothing() -> None:
    """Else its keys become NaN, and stay in the cache where a masked place must be finite."""
    tree = Feed(np.arange(3), np.array([2]), np.array([0, 1, 1]), np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1]], bool))
    packed = pack([tree] * 5, np.array([4, 5, 6, 7, 8]))
    filled = fill_up(packed, rows=8, room=4096)
    assert filled.sees.shape == (8, 3, 3)
    assert filled.ids.shape == (8, 3)
    assert filled.places == PLACES
    assert filled.sees.any(-1).all()
    torch.testing.assert_close(filled.sees[:5], packed.sees)
    assert fill_up(packed, rows=6, room=4096).ids.shape == (6, 3)


@pytest.mark.gpu
@pytest.mark.parametrize("tokens", [1, 3, 16, 33])
def test_on_cuda_few_queries_are_answered_as_by_one_kernel(tokens: int) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    torch.manual_seed(0)
    query = torch.randn(1, 8, tokens, 64, device="cuda")
    key, value = torch.randn(2, 1, 2, 500, 64, device="cuda")
    at, begins = torch.arange(400, 400 + tokens, device="cuda")[None], torch.tensor([[400]], device="cuda")
    added = mask(at, begins, None, 500, 4, torch.float32)
    exact, _ = attend(torch.nn.Module(), query, key, value, added)
    half, _ = attend(torch.nn.Module(), *(part.bfloat16() for part in (query, key, value, added)))
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.02)


@pytest.mark.gpu
@pytest.mark.parametrize("way", WAYS)
def test_on_cuda_graphs_answer_as_the_cpu_does(way: dict[str, object]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    asked = tasks(4, 9)
    plain = engine(MODEL, mode="constrained", batch=1).predict(asked)
    answers = {one.key: result.cells.ravel() for one, result in zip(asked, plain, strict=True)}
    model = small_model().to("cuda")
    made = engine(model, lambda one: Knowing(answers[one.key], 0.8), batch=4, **way)
    for _call in range(2):
        assert cells(made.predict(asked)) == cells(plain)
    assert np.isfinite(made.seconds.decode)
