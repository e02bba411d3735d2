"""Examples for pretraining hold what they should: true cells to learn, cells that were read beside them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.pretraining.corpus import (
    DAYS_ASKED,
    DAYS_SEEN,
    FIRST_SEED,
    HELD_OUT_SEED,
    LISTED_WEIGHT,
    batches,
    example,
    misread,
    moved,
    pack,
)
from models.llama_mob.pretraining.pretrain import Drawn, begin, train
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tools.export import export

TOKENS, TEMPLATE = Tokens.load(TINY), Template.build(Instruction(), Grid(), Calendar())


@pytest.fixture(scope="module")
def halves() -> tuple[Trajectories, Trajectories]:
    world = SmallWorld.make()
    user = world.split.queries.users[0]
    return world.split.history.of(user), world.truth.of(user)


def test_cells_to_learn_are_the_true_ones(halves: tuple[Trajectories, Trajectories]) -> None:
    history, truth = halves
    one = example(TEMPLATE, TOKENS, history, truth, truth)
    assert TOKENS.spaced is not None
    cells = np.stack([TOKENS.spaced[truth.x], TOKENS.spaced[truth.y]], axis=1).ravel()
    answered, listed = one.weights == 1.0, one.weights == LISTED_WEIGHT
    assert np.array_equal(one.targets[answered], cells)
    assert np.array_equal(one.read[one.places[answered] + 1], cells)
    assert np.array_equal(one.targets[listed], cells)
    assert (one.read[one.places[listed]] == TOKENS.spaced[999]).all()


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
    one = example(TEMPLATE, TOKENS, history, truth, read)
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


def test_batches_keep_to_their_size_differ_in_length_and_are_hardly_padded() -> None:
    drawn = list(islice(batches(TOKENS, np.random.default_rng(3), 2500), 40))
    assert all(batch.ids.numel() <= 2500 or len(batch.ids) == 1 for batch in drawn)
    lengths = [batch.ids.shape[1] for batch in drawn]
    assert max(lengths) > 3 * min(lengths)
    padding = sum(int((batch.ids == 0).sum()) for batch in drawn) / sum(batch.ids.numel() for batch in drawn)
    assert padding < 0.3
    assert DAYS_SEEN[1] + DAYS_ASKED[1] == 75


def test_every_process_draws_other_batches() -> None:
    loader = DataLoader(Drawn(TOKENS, 0, 1500), batch_size=None, num_workers=2)
    first, second = islice(loader, 2)
    assert first.ids.shape != second.ids.shape or not torch.equal(first.ids, second.ids)


def test_protocols_use_none_of_its_seeds() -> None:
    root = Path(__file__).parents[4] / "protocols"
    seeds = [yaml.safe_load(path.read_text(encoding="utf-8"))["data"].get("seed", 0) for path in root.rglob("*.yaml")]
    assert len(seeds) > 5
    assert max(seeds) < FIRST_SEED < HELD_OUT_SEED


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = begin(TOKENS)
    batch = next(batches(TOKENS, np.random.default_rng(0), 1500))
    losses = [run.step(batch, 1.0) for _ in range(4)]
    assert losses[-1] < losses[0]
    run.save(tmp_path)
    again = begin(TOKENS)
    assert not again.load(tmp_path / "elsewhere")
    assert again.load(tmp_path)
    assert again.done == run.done
    torch.testing.assert_close(again.step(batch, 1.0), run.step(batch, 1.0), rtol=1e-3, atol=0)
    for one, other in zip(again.average.parameters(), run.average.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)


def test_packing_pads_and_keeps_places(halves: tuple[Trajectories, Trajectories]) -> None:
    history, truth = halves
    both = [example(TEMPLATE, TOKENS, history.take(slice(0, n)), truth, truth) for n in (5, 40)]
    batch = pack(both)
    assert batch.ids.shape == (2, len(both[1].read))
    for i, one in enumerate(both):
        mine = batch.rows == i
        assert batch.columns[mine].tolist() == one.places.tolist()
        assert batch.targets[mine].tolist() == one.targets.tolist()


@pytest.mark.slow
def test_a_short_run_leaves_a_log_and_a_state(tmp_path: Path) -> None:
    train(tmp_path, minutes=0.3, size=2000, every=0.1, threads=1, workers=1)
    assert len((tmp_path / "log.csv").read_text().splitlines()) >= 3
    assert (tmp_path / "state.safetensors").exists()


def test_an_export_without_a_run_leaves_the_shipped_base_alone(tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in TINY.iterdir()}
    with pytest.raises(UserError, match="holds no training"):
        export(tmp_path, "none", "")
    assert {path.name: path.stat().st_mtime_ns for path in TINY.iterdir()} == before
