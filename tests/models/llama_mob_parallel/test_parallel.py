"""llama_mob_parallel: cells at their own places, in one pass, whatever the other cells are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from digit_base import digit_base
from pydantic import ValidationError
from rich.console import Console

from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.cli.profile import Order, measure
from bench.data.world import Calendar, Window
from bench.errors import UserError
from bench.running.model import of_adapter
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import Result, Task
from models.llama_mob.engine.onepass import OnePassReader
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning.examples import placed
from models.llama_mob_parallel import LlamaMobParallel, LlamaMobParallelSettings


def test_each_hidden_number_is_learned_at_its_own_place() -> None:
    world, tokens = SmallWorld.make(), Tokens.load(TINY)
    user = world.split.queries.users[0]
    history, truth = world.split.history.of(user), world.truth.of(user)
    template = Template.build(Instruction(), world.grid, Calendar())
    one = placed(compile_prompt(template, tokens, history, truth.queries()), tokens, truth)
    assert tokens.spaced is not None
    assert (one.ids[one.places] == tokens.spaced[999]).all()
    assert np.array_equal(one.targets[0::2], tokens.spaced[truth.x])
    assert np.array_equal(one.targets[1::2], tokens.spaced[truth.y])
    assert len(one.ids) < one.places[-1] + 20, "no answer is read"


def test_a_trajectory_takes_one_pass() -> None:
    world = SmallWorld.make()
    model = LlamaMobParallel(LlamaMobParallelSettings(tuning="none"))
    model.predict(world.split.history, world.split.queries, Context(window=world.window, grid=world.grid))
    spent = model.usage()
    assert spent["forward_passes"] == spent["users"] > 1
    assert spent["tokens_fed"] == 0


@pytest.mark.parametrize("batch", [None, 2, 3])
def test_several_users_are_read_in_a_pass(batch: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unequal prompts, memory that holds two users: the answers are those of one after the other."""
    world, read, real = SmallWorld.make(), [], OnePassReader._read

    def narrow(reader: OnePassReader, tasks: Sequence[Task]) -> list[Result]:
        if len(tasks) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        read.append(len(tasks))
        return real(reader, tasks)

    monkeypatch.setattr(OnePassReader, "_read", narrow)
    ctx = Context(window=world.window, grid=world.grid)
    answers = []
    for size in (1, batch):
        read.clear()
        model = LlamaMobParallel(LlamaMobParallelSettings(tuning="none", decoding={"batch": size}))
        answers.append(model.predict(world.split.history, world.split.queries, ctx))
    assert max(read) == {None: 1, 2: 2, 3: 1}[batch]
    assert np.array_equal(answers[0].x, answers[1].x)
    assert np.array_equal(answers[0].y, answers[1].y)


def test_a_base_of_digits_names_cells_with_added_tokens(tmp_path: Path) -> None:
    world = SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=2, trainers=2)
    base = str(digit_base(tmp_path / "base"))
    with pytest.raises(UserError, match="one token each: set numbers: added"):
        LlamaMobParallel(LlamaMobParallelSettings(base=base, tuning="none")).predict(
            world.split.history, world.split.queries, world.context()
        )
    model = LlamaMobParallel(LlamaMobParallelSettings(base=base, numbers="added", rank=2))
    model.fit(world.split.train, None, world.context(folder=tmp_path / "fit"))
    answers = model.predict(world.split.history, world.split.queries, world.context())
    assert model.usage()["forward_passes"] == model.usage()["users"]
    assert answers.x.min() >= 1
    assert int(model.facts()["trained_parameters"]) > 2000 * 32


def test_its_probabilities_are_not_those_of_a_written_answer() -> None:
    assert of_adapter(LlamaMobParallel(), "cpu").gives == "nothing"


def test_it_is_profiled() -> None:
    order = Order("llama_mob_parallel", ("history_days=2",), "random", batch="1,2", users=2, device="cpu")
    lines, _notes = measure(order, Console(quiet=True))
    assert [(line.variant.name, line.variant.batch, line.work["forward_passes"]) for line in lines] == [
        ("one pass", 1, 1),
        ("one pass", 2, 1),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"instruction": {"listed": False}},
        {"decoding": {"mode": "jump_forward"}},
        {"input_noise": 0.5},
        {"template_loss_weight": 0.5},
        {"loss": "conversation"},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"listed must be true|nothing is written"):
        LlamaMobParallelSettings(**wrong)
