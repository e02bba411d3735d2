"""Examples for pretraining hold what they should: true cells to learn, cells that were read beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_world import SmallWorld

from bench.trajectories import Trajectories
from bench.world import Calendar, Grid
from models.llama_mob.make_tokenizer import TINY
from models.llama_mob.pretrain import begin, train
from models.llama_mob.pretraining import (
    FIRST_SEED,
    HELD_OUT_SEED,
    LISTED_WEIGHT,
    Progress,
    batches,
    example,
    misread,
    moved,
    pack,
)
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import Instruction
from models.llama_mob.tokens import Tokens

TOKENS = Tokens.load(TINY)


@pytest.fixture(scope="module")
def halves() -> tuple[Trajectories, Trajectories]:
    world = SmallWorld.make()
    user = world.split.queries.users[0]
    return world.split.history.of(user), world.truth.of(user)


def test_cells_to_learn_are_the_true_ones(halves: tuple[Trajectories, Trajectories]) -> None:
    history, truth = halves
    compiled = compile_prompt(Template.build(Instruction(), Grid(), Calendar()), TOKENS, history, truth.queries())
    one = example(compiled, TOKENS, history, truth, truth, listed=True)
    assert TOKENS.spaced is not None
    cells = np.stack([TOKENS.spaced[truth.x], TOKENS.spaced[truth.y]], axis=1).ravel()
    assert np.array_equal(one.targets[one.weights == 1.0], cells)
    listed = np.arange(len(one.places)) >= 2 * len(history)
    listed &= np.arange(len(one.places)) < 2 * (len(history) + len(truth))
    assert np.array_equal(one.targets[listed], cells)
    assert (one.read[one.places[listed]] == TOKENS.spaced[999]).all()
    assert (one.weights[listed] == LISTED_WEIGHT).all()
    seen = one.places[: 2 * len(history)] + 1
    assert np.array_equal(one.read[seen], one.targets[: 2 * len(history)])
    assert (one.weights[: 2 * len(history)] == 0.5).all()


def test_a_misread_cell_is_one_of_the_persons_and_its_y_is_learned(halves: tuple[Trajectories, Trajectories]) -> None:
    history, truth = halves
    read = misread(history, truth, 0.5, np.random.default_rng(0))
    changed = (read.x != truth.x) | (read.y != truth.y)
    assert changed.any()
    known = {
        *zip(history.x.tolist(), history.y.tolist(), strict=True),
        *zip(truth.x.tolist(), truth.y.tolist(), strict=True),
    }
    assert set(zip(read.x[changed].tolist(), read.y[changed].tolist(), strict=True)) <= known
    compiled = compile_prompt(Template.build(Instruction(), Grid(), Calendar()), TOKENS, history, truth.queries())
    one = example(compiled, TOKENS, history, truth, read, listed=True)
    learned = one.targets[one.weights == 1.0].reshape(-1, 2)
    assert TOKENS.spaced is not None
    assert np.array_equal(learned, np.stack([TOKENS.spaced[truth.x], TOKENS.spaced[read.y]], axis=1))


def test_moving_keeps_distances_and_the_grid(halves: tuple[Trajectories, Trajectories]) -> None:
    history, _truth = halves
    for seed in range(20):
        other = moved(history, np.random.default_rng(seed))
        assert min(other.x.min(), other.y.min()) >= 1
        assert max(other.x.max(), other.y.max()) <= 200
        steps = [
            np.sort([abs(np.diff(t.x.astype(int))), abs(np.diff(t.y.astype(int)))], axis=0) for t in (history, other)
        ]
        assert np.array_equal(*steps)


def test_batches_keep_to_their_size_and_grow_with_the_progress() -> None:
    short, long = Progress(0.0), Progress(0.5)
    early = next(batches(TOKENS, np.random.default_rng(3), 2500, short))
    late = next(batches(TOKENS, np.random.default_rng(3), 2500, long))
    assert early.ids.numel() <= 2500
    assert early.ids.shape[1] < late.ids.shape[1]


def test_protocols_use_none_of_its_seeds() -> None:
    root = Path(__file__).parents[3] / "protocols"
    seeds = [yaml.safe_load(path.read_text(encoding="utf-8"))["data"].get("seed", 0) for path in root.rglob("*.yaml")]
    assert len(seeds) > 5
    assert max(seeds) < FIRST_SEED < HELD_OUT_SEED


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = begin(TOKENS)
    batch = next(batches(TOKENS, np.random.default_rng(0), 1500, Progress()))
    losses = [run.step(batch, 1.0) for _ in range(4)]
    assert losses[-1] < losses[0]
    run.save(tmp_path)
    again = begin(TOKENS)
    again.load(tmp_path)
    assert again.done == run.done
    assert again.step(batch, 1.0) == pytest.approx(run.step(batch, 1.0), rel=1e-3)
    for one, other in zip(again.average.parameters(), run.average.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)


def test_packing_pads_and_keeps_places(halves: tuple[Trajectories, Trajectories]) -> None:
    history, truth = halves
    template = Template.build(Instruction(), Grid(), Calendar())
    both = [
        example(
            compile_prompt(template, TOKENS, history.take(slice(0, n)), truth.queries()),
            TOKENS,
            history.take(slice(0, n)),
            truth,
            truth,
            listed=True,
        )
        for n in (5, 40)
    ]
    batch = pack(both)
    assert batch.ids.shape == (2, len(both[1].read))
    for i, one in enumerate(both):
        mine = batch.rows == i
        assert batch.columns[mine].tolist() == one.places.tolist()
        assert batch.targets[mine].tolist() == one.targets.tolist()


@pytest.mark.slow
def test_a_short_run_leaves_a_log_and_a_state(tmp_path: Path) -> None:
    train(tmp_path, minutes=0.3, size=2000, every=0.1, threads=1)
    assert len((tmp_path / "log.csv").read_text().splitlines()) >= 3
    assert (tmp_path / "state.safetensors").exists()
