"""Schedules have transformers' and torch's shapes; batches hold everybody once; states that cannot be read are none."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from toy import fit, network

from bench.errors import UserError
from bench.training import checkpoint, curves
from bench.training.batching import batches
from bench.training.heldout import moved
from bench.training.recipe import Recipe


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine", "cosine_with_restarts", "warmup_stable_decay"])
def test_rates_rise_from_zero_and_keep_to_their_shape(schedule: str) -> None:
    rate = Recipe(epochs=3, learning_rate=1.0, schedule=schedule, warm_up_steps=5).rates(20)  # type: ignore[arg-type]
    shares = [rate(step) for step in range(60)]
    assert shares[:6] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(after <= before for before, after in itertools.pairwise(shares[5:]))
    falls = sum(after < before for before, after in itertools.pairwise(shares[5:]))
    assert falls == {"constant": 0, "warmup_stable_decay": 11}.get(schedule, 54)


def test_a_cosine_by_epoch_is_torchs_stepped_after_each_epoch() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    rate = Recipe(epochs=5, learning_rate=1.0, schedule="cosine_by_epoch").rates(7)
    for epoch in range(5):
        assert [rate(7 * epoch + step) for step in range(7)] == pytest.approx(7 * [scheduler.get_last_lr()[0]])
        optimizer.step()
        scheduler.step()


def test_a_fit_of_one_step_learns_at_the_full_rate() -> None:
    assert Recipe(epochs=1, learning_rate=1.0, warm_up_steps=5).rates(1)(0) == 1.0


@given(count=st.integers(0, 200), size=st.integers(1, 9), similar=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_batches_hold_everybody_once(count: int, size: int, similar: bool, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(10, 1000, count).tolist()
    groups = batches(lengths, size, np.random.default_rng(seed), similar)
    assert sorted(itertools.chain(*groups)) == list(range(count))
    assert all(len(group) <= size for group in groups)
    assert sum(len(group) < size for group in groups) <= 1
    assert groups == batches(lengths, size, np.random.default_rng(seed), similar)


def test_similar_lengths_come_together() -> None:
    lengths = np.random.default_rng(0).integers(10, 1000, 640)
    spread = [
        np.mean([np.ptp(lengths[group]) for group in batches(lengths.tolist(), 16, np.random.default_rng(1), similar)])
        for similar in (True, False)
    ]
    assert spread[0] < 150 < 700 < spread[1]


@pytest.mark.parametrize("metadata", [None, {}, {"progress": "{", "plain": "{}"}])
def test_a_state_of_another_make_is_none(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"trained.a": torch.zeros(1)}, tmp_path / checkpoint.STATE, metadata=metadata)
    assert checkpoint.progress(tmp_path) == {}
    (tmp_path / checkpoint.STATE).write_bytes(b"torn")
    assert checkpoint.progress(tmp_path) == {}
    assert checkpoint.progress(tmp_path / "nowhere") == {}


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    fit(network(), tmp_path, epochs=1)
    with pytest.raises(UserError, match="another network"):
        fit(torch.nn.Sequential(network()), tmp_path, epochs=1)


def test_nested_moments_come_back(tmp_path: Path) -> None:
    """As 8-bit optimizers have them: numbers beside tensors, a dict in a dict."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    moments = {"step": 3, "quantized": {"state": torch.arange(2, dtype=torch.uint8)}}
    optimizer.state[weight] = moments
    checkpoint.save(tmp_path, checkpoint.Weights({"w": weight}, {}, {}), optimizer, {"step": 3})
    optimizer.state[weight] = {}
    held = checkpoint.load(tmp_path, optimizer)
    assert torch.equal(held.trained["w"], weight)
    found = optimizer.state[weight]
    assert found["step"] == 3
    assert torch.equal(found["quantized"]["state"].to(torch.uint8), moments["quantized"]["state"])


def test_moved_people_keep_their_distances_and_the_grid() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(60, 90, 20).astype(np.int16), rng.integers(1, 31, 20).astype(np.int16)
    for _ in range(30):
        a, b = moved(x, y, rng)
        assert min(a.min(), b.min()) >= 1
        assert max(a.max(), b.max()) <= 200
        steps = [np.sort(np.abs([np.diff(one), np.diff(other)]), axis=0) for one, other in ((x, y), (a, b))]
        assert np.array_equal(*steps)


def test_a_log_is_read_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    for step in (0, 5):
        curves.append(tmp_path / "log.csv", {"step": step, "loss": 2.0 / (step + 1)})
    assert curves.read(tmp_path / "log.csv") == [{"step": 0, "loss": 2.0}, {"step": 5, "loss": 0.3333}]
    panels = [curves.Panel("loss", {"loss": "all"})]
    for name in ("one.svg", "two.svg"):
        curves.draw(tmp_path / "log.csv", tmp_path / name, lambda row: row["step"], "steps", panels)
    assert "<svg" in (tmp_path / "one.svg").read_text()
    table = curves.score_table("days", ["a", "b"], {"7 + 2": [(0.1, 0.2), (0.3, 0.4)]})
    assert table.splitlines()[-1] == "| 7 + 2 | 0.100 / 0.200 | 0.300 / 0.400 |"
