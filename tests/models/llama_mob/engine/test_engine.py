"""The engine answers alike in every mode and batch, and passes are as few as they can be."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from small_model import SIDE, Knowing, Words, cells, engine, small_model, tables, task, tasks

from bench.errors import UserError
from models.llama_mob.engine import Task, sizes
from models.llama_mob.engine.drafter import Drafter
from models.llama_mob.engine.likelihood import Likelihood
from models.llama_mob.engine.passes import Passes
from models.llama_mob.tools import simulate

MODEL = small_model()


def plainly(model: torch.nn.Module, one: Task) -> list[int]:
    """The oracle of the oracle: greedy, without a cache, all logits, one whole forward pass a number."""
    compiled, numbers = one.compiled, []
    ids = compiled.answer.copy()
    for slot, place in enumerate(compiled.slots):
        text = torch.tensor(np.concatenate([compiled.prompt, ids[:place]]))[None]
        with torch.inference_mode():
            logits = model(input_ids=text).logits[0, -1]
        table = tables()[slot % 2]
        numbers.append(int(logits[table[1 : SIDE + 1]].argmax()) + 1)
        ids[place] = table[numbers[-1]]
    return numbers


def test_forced_is_constrained_argmax() -> None:
    asked = tasks(0, 3)
    found = engine(MODEL, mode="constrained", batch=1).predict(asked)
    assert [result.cells.ravel().tolist() for result in found] == [plainly(MODEL, one) for one in asked]
    assert all(result.counts.margin > 1e-4 for result in found)  # else the other tests prove little


@pytest.mark.parametrize("reading", [False, True])
def test_a_cache_is_gone_with_its_engine(reading: bool) -> None:
    """Without the collector of cycles: it does not know how much memory a tensor takes."""
    asked = tasks(0, 2)
    gc.disable()
    try:
        if reading:
            reader = Likelihood(MODEL, Words(), off_days=lambda days: days < 0, width=SIDE, height=SIDE)
            reader.read(asked, {one.key: np.ones(2 * len(one.queries), np.int64) for one in asked})
            left = weakref.ref(reader._engine._held)
            del reader
        else:
            writer = engine(MODEL, mode="speculative")
            writer.predict(asked)
            left = weakref.ref(writer._held)
            del writer
        assert left() is None
    finally:
        gc.enable()


def test_a_lora_takes_part() -> None:
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    tuned = get_peft_model(small_model(1), config).eval()
    asked = tasks(0, 3)
    for way in ({"mode": "constrained"}, {"mode": "jump_forward"}, {"mode": "speculative"}):
        found = engine(tuned, **way).predict(asked)
        assert [result.cells.ravel().tolist() for result in found] == [plainly(tuned, one) for one in asked]
    assert cells(found) != cells(engine(small_model(1), mode="jump_forward").predict(asked))


def test_bfloat16_keeps_to_the_template_too() -> None:
    asked = tasks(0, 4)
    found = engine(small_model().bfloat16(), mode="speculative", draft="tree").predict(asked)
    for one, result in zip(asked, found, strict=True):
        expected = one.compiled.filled(*result.cells.T)
        assert result.text == " ".join(map(str, expected))
        assert ((result.cells >= 1) & (result.cells <= SIDE)).all()


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 5),
    batch=st.integers(1, 4),
    right=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    choosing=st.sampled_from(
        [{}, {"choose": "expected_proximity"}, {"temperature": 0.7, "top_p": 1.0}, {"temperature": 0.7, "top_p": 0.8}]
    ),
    kv_heads=st.sampled_from([1, 2, 4]),
    nodes=st.integers(1, 12),
)
def test_all_modes_answer_alike(
    seed: int, count: int, batch: int, right: float, choosing: dict[str, Any], kv_heads: int, nodes: int
) -> None:
    asked, model = tasks(seed, count), small_model(seed % 5, kv_heads)
    constrained = engine(model, mode="constrained", batch=1, **choosing).predict(asked)
    answers = {one.key: result.cells.ravel() for one, result in zip(asked, constrained, strict=True)}
    ways = [
        {"mode": "constrained", "batch": batch},
        {"mode": "jump_forward", "batch": batch},
        {"mode": "speculative", "draft": "chain", "draft_tokens": nodes, "batch": batch},
        {"mode": "speculative", "draft": "tree", "nodes": nodes, "batch": batch},
        {"mode": "speculative", "draft": "tree", "nodes": nodes, "batch": 1},
    ]
    for way in ways:
        found = engine(model, lambda one: Knowing(answers[one.key], right, seed), **way, **choosing).predict(asked)
        assert cells(found) == cells(constrained), way
        assert [result.text for result in found] == [result.text for result in constrained]
        np.testing.assert_allclose(
            [result.counts.margin for result in found], [result.counts.margin for result in constrained], atol=1e-3
        )


def test_passes_are_what_theory_says() -> None:
    one = task(np.random.default_rng(1), prompt=20, queries=10)
    numbers = engine(MODEL, mode="constrained").predict([one])[0].cells.ravel()

    def counts(right: float = 1.0, **decoding: object) -> tuple[int, int, int]:
        found = engine(MODEL, lambda _: Knowing(numbers, right), **decoding).predict([one])[0].counts
        return found.passes, found.drafted, found.accepted

    assert counts(mode="constrained") == (one.compiled.slots[-1], 0, 0)
    assert counts(mode="jump_forward") == (19, 0, 0)
    assert counts(mode="speculative", draft_tokens=4) == (4, 15, 15)  # 19 numbers left, 5 a pass
    assert counts(mode="speculative", draft_tokens=16) == (2, 17, 17)  # 16 + 1, then 1 + 1
    assert counts(mode="speculative", draft_tokens=100) == (1, 18, 18)  # the last number needs no guess
    assert counts(0.0, mode="speculative", draft_tokens=4)[::2] == (19, 0)


def test_tokens_are_counted() -> None:
    one = task(np.random.default_rng(2), prompt=20, queries=6)
    slots = one.compiled.slots
    numbers = engine(MODEL, mode="constrained").predict([one])[0].cells.ravel()
    jumping, constrained = (
        engine(MODEL, mode=mode).predict([one])[0].counts for mode in ("jump_forward", "constrained")
    )
    right, wrong = (
        engine(MODEL, lambda _, share=share: Knowing(numbers, share), mode="speculative", draft_tokens=3).predict(
            [one]
        )[0]
        for share in (1.0, 0.0)
    )
    assert (jumping.tokens_read, jumping.tokens_fed) == (20 + slots[0], slots[-1] - slots[0])
    assert (constrained.tokens_read, constrained.tokens_fed) == (20, slots[-1])
    assert right.counts.tokens_fed == jumping.tokens_fed
    assert wrong.counts.tokens_fed > jumping.tokens_fed


def test_the_shipped_drafter_changes_no_answer() -> None:
    asked = tasks(7, 4)
    constrained = engine(MODEL, mode="constrained").predict(asked)
    for draft in ("chain", "tree"):
        found = engine(MODEL, mode="speculative", draft=draft, stop=0.0).predict(asked)
        assert cells(found) == cells(constrained)
        assert sum(result.counts.drafted for result in found) > 0


@pytest.mark.parametrize("draft", ["chain", "tree"])
def test_passes_are_those_of_the_simulated_verifier(draft: str) -> None:
    asked = tasks(8, 4)
    found = engine(MODEL, mode="speculative", draft=draft, draft_tokens=8, nodes=8, stop=0.0, batch=3).predict(asked)
    for one, result in zip(asked, found, strict=True):
        drafter = Drafter(one.history, one.queries, lambda days: np.asarray(days) % 7 == 0)
        counted = simulate.count(drafter, result.cells, 8, tree=draft == "tree")
        assert (result.counts.passes, result.counts.accepted) == (counted.passes, counted.accepted)


def test_samples_hang_on_seed_and_user_alone() -> None:
    asked = tasks(3, 4)
    first = engine(MODEL, mode="jump_forward", temperature=1.0).predict(asked)
    assert cells(engine(MODEL, mode="jump_forward", temperature=1.0, batch=1).predict(asked[::-1]))[::-1] == cells(
        first
    )
    other = [replace(one, seed=4) for one in asked]
    assert cells(engine(MODEL, mode="jump_forward", temperature=1.0).predict(other)) != cells(first)
    assert cells(engine(MODEL, mode="jump_forward").predict(asked)) != cells(first)
    twin = replace(asked[0], key=("C", 0))
    assert cells(engine(MODEL, mode="jump_forward", temperature=1.0).predict([twin])) != cells(first[:1])


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("mode", ["constrained", "jump_forward", "speculative"])
def test_a_prompt_asked_again_is_read_once_and_answered_alike(mode: str, batch: int) -> None:
    asked = [replace(one, seed=seed) for one in tasks(6, 3) for seed in (1, 2, 3)]
    alone = [engine(MODEL, mode=mode, temperature=1.0).predict([one])[0] for one in asked]
    found = engine(MODEL, mode=mode, temperature=1.0, batch=batch).predict(asked)
    assert cells(found) == cells(alone)
    assert len({tuple(one.cells.ravel()) for one in found[:3]}) == 3
    assert sum(one.counts.tokens_read > 0 for one in alone) == len(asked)
    assert [sum(one.counts.tokens_read > 0 for one in found[i : i + 3]) for i in (0, 3, 6)] == [1, 1, 1]


def test_no_queries_and_no_tasks() -> None:
    empty = task(np.random.default_rng(0), prompt=5, queries=0)
    full = task(np.random.default_rng(0), prompt=5, queries=2)
    found = engine(MODEL, mode="jump_forward").predict([empty, full])
    assert [result.cells.shape for result in found] == [(0, 2), (2, 2)]
    assert engine(MODEL, mode="jump_forward").predict([]) == []


def test_memory_that_runs_out_halves_the_batch_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tasks(5, 9)
    expected = cells(engine(MODEL, mode="jump_forward", batch=1).predict(asked))
    feed, sizes_seen, done = Passes.feed, [], []

    def scarce(self: Passes, cache: object, feeds: list, first: int = 0) -> list:
        sizes_seen.append(len(feeds))
        if len(feeds) > 6 or (len(feeds) > 2 and done):
            raise torch.cuda.OutOfMemoryError("injected")
        return feed(self, cache, feeds, first)

    monkeypatch.setattr(Passes, "feed", scarce)
    made = engine(MODEL, mode="jump_forward", batch=8)
    assert cells(made.predict(asked, lambda now, _total: done.append(now))) == expected
    assert made._held.rows == 2  # the larger cache is given back
    assert done == list(range(1, 10))
    assert {8, 4, 2} <= set(sizes_seen)


def test_memory_for_not_even_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Passes, "cache", scarce)
    with pytest.raises(UserError, match="one user of"):
        engine(MODEL, mode="jump_forward", batch=2).predict(tasks(1, 2))


def test_other_errors_pass() -> None:
    def stop(done: int, _total: int) -> None:
        raise RuntimeError("out of time")

    with pytest.raises(RuntimeError, match="out of time"):
        engine(MODEL, mode="jump_forward").predict(tasks(1, 2), stop)
    assert MODEL.config._attn_implementation != "rows"


def test_users_at_a_time_follow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes(MODEL, np.arange(4))
    a_row = sizes.row_bytes(MODEL.config, 4, 1000)
    assert a_row == passes.cache(1, 1000).keys.nbytes * 2
    found = []
    for free in (0, 30 * a_row, 35 * a_row, 10**12):
        monkeypatch.setattr(sizes, "free_bytes", lambda _device, free=free: free)
        found.append(sizes.users_at_a_time(passes, 1000, 30))
        assert found[-1] == 1 or found[-1] * a_row < free
    assert found[0] == 1
    assert found[-1] == sizes.MOST["cpu"]
    assert 1 < found[1] < found[2] < found[3]


def test_shorter_users_share_the_memory_of_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One user of 5,000 tokens fits, and then several of few: they do not wait for it."""
    rng = np.random.default_rng(0)
    asked = [task(rng, 20, 2, 1), task(rng, 5000, 2, 2), *(task(rng, 30, 2, uid) for uid in range(3, 8))]
    expected = cells(engine(MODEL, mode="jump_forward", batch=1).predict(asked))
    free = sizes.pass_bytes(MODEL.config, 4, 512, 6000) + sizes.row_bytes(MODEL.config, 4, 6000)
    monkeypatch.setattr(sizes, "free_bytes", lambda _device: free)
    made, cache = [], Passes.cache
    monkeypatch.setattr(Passes, "cache", lambda self, rows, room: made.append((rows, room)) or cache(self, rows, room))
    assert cells(engine(MODEL, mode="jump_forward").predict(asked)) == expected
    assert made[0] == (1, 5120)
    assert made[1] == (6, 1024)


def test_seconds_are_told() -> None:
    made = engine(MODEL, mode="jump_forward")
    made.predict(tasks(1, 2))
    assert made.seconds.prefill > 0
    assert made.seconds.decode > 0
