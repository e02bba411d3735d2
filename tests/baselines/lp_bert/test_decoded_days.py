"""lp_bert's probabilities decoded as cells or days: the likeliest cell where it is sure, and any grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baselines._decoding import DecodeSettings
from baselines.lp_bert.decode import best_cells
from bench.adapters import registry
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import OK


@pytest.mark.parametrize("decode", ["slot", "proximity", "expected_geobleu", "sample"])
def test_sure_logits_give_their_cell(decode: str) -> None:
    world = SmallWorld.make()
    user = world.split.queries.users[0]
    queries = world.split.queries.of(user)
    rng = np.random.default_rng(0)
    cells = np.stack([rng.integers(1, size + 1, len(queries)) for size in (60, 40)], axis=1)
    x, y = (np.where(np.arange(1, size + 1) == cells[:, [axis]], 50.0, 0.0) for axis, size in enumerate((60, 40)))
    settings = DecodeSettings.model_validate({"decode": decode})
    assert np.array_equal(best_cells(x, y, queries, settings, world.context()), cells)


def test_an_untrained_network_answers_within_the_grid_in_every_way(tmp_path: Path) -> None:
    world = SmallWorld.make(testers=4)
    given = {}
    for decode in ("axis", "slot", "expected_geobleu"):
        model = registry.make("lp_bert", {"init": "scratch", "epochs": 0, "decode": decode})
        model.fit(world.split.train, None, world.context(folder=tmp_path / decode))
        given[decode] = model.predict(world.split.history, world.split.queries, world.context())
        ok = given[decode].status == OK
        assert ok.any()
        assert 1 <= given[decode].x[ok].min() <= given[decode].x[ok].max() <= world.grid.width
        assert 1 <= given[decode].y[ok].min() <= given[decode].y[ok].max() <= world.grid.height
    assert not np.array_equal(given["slot"].x, given["expected_geobleu"].x)
