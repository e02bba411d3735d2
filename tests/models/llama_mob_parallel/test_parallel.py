"""llama_mob_parallel: cells at their own places, in one pass, whatever the other cells are."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from small_world import SmallWorld

from bench.adapter import Context
from bench.world import Calendar
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tokens import Tokens
from models.llama_mob.tuning.examples import placed
from models.llama_mob_parallel import LlamaMobParallel, LlamaMobParallelSettings


def test_each_hidden_number_is_learned_at_its_own_place() -> None:
    world, tokens = SmallWorld.make(), Tokens.load(TINY)
    user = world.split.queries.users[0]
    history, truth = world.split.history.of(user), world.truth.of(user)
    one = placed(Template.build(Instruction(), world.grid, Calendar()), tokens, history, truth, truth)
    assert tokens.spaced is not None
    assert (one.ids[one.places] == tokens.spaced[999]).all()
    assert np.array_equal(one.targets[0::2], tokens.spaced[truth.x])
    assert np.array_equal(one.targets[1::2], tokens.spaced[truth.y])
    assert len(one.ids) < one.places[-1] + 20, "no answer is read"


def test_a_trajectory_takes_one_pass() -> None:
    world = SmallWorld.make()
    model = LlamaMobParallel(LlamaMobParallelSettings(tuning="none"))
    model.predict(world.split.history, world.split.queries, Context(window=world.window, grid=world.grid))
    spent = model.spent()
    assert spent["forward_passes"] == spent["users"] > 1
    assert spent["tokens_fed"] == 0


@pytest.mark.parametrize(
    "wrong", [{"instruction": {"listed": False}}, {"decoding": {}}, {"misread": 0.5}, {"filler": 1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"listed must be true|nothing is written"):
        LlamaMobParallelSettings(**wrong)
