"""Numbers with added tokens: every decoding mode, on every architecture, answers what the model's own forward says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_base import KINDS, digit_base
from plain_numbers import CHOICES, WAYS, few, log_odds, model_of, plainly

from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import Trajectories
from bench.evaluation.probabilities import check
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_base(tmp_path_factory.mktemp("added"))


@pytest.mark.parametrize("choosing", CHOICES, ids=lambda choosing: "-".join(map(str, choosing.values())))
def test_every_mode_answers_what_the_models_own_forward_says(
    world: SmallWorld, base: Path, choosing: dict[str, Any]
) -> None:
    history, queries = few(world)
    ctx = Context(seed=4, window=world.split.window)
    first = model_of(base, numbers="added", decoding=choosing)
    wanted = plainly(first, history, queries, ctx)
    for way in WAYS:
        model = model_of(base, numbers="added", decoding={**way, **choosing})
        model._ready = first._ready
        answers = model.predict(history, queries, ctx)
        assert np.stack([answers.x, answers.y], axis=1).tolist() == wanted.tolist(), way


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_answers_what_its_own_forward_says(
    world: SmallWorld, kind: str, tied: bool, tmp_path: Path
) -> None:
    folder = digit_base(tmp_path / kind, kind, tie_word_embeddings=tied)
    history, queries = few(world, users=1, points=2)
    ctx = Context(seed=4, window=world.split.window)
    first = model_of(folder, numbers="added")
    wanted = plainly(first, history, queries, ctx)
    for way in WAYS[2:]:
        model = model_of(folder, numbers="added", decoding=way)
        model._ready = first._ready
        answers = model.predict(history, queries, ctx)
        assert np.stack([answers.x, answers.y], axis=1).tolist() == wanted.tolist(), way
    ready = first._made_ready(ctx)
    assert ready.facts["numbers"] == "added"
    assert ready.facts["parameters"] == sum(weight.numel() for weight in ready.model.parameters())


def test_probabilities_are_the_oracles_and_look_at_no_later_cell(world: SmallWorld, base: Path) -> None:
    history, queries = few(world, users=1, points=3)
    ctx, (user,) = Context(seed=4, window=world.split.window), queries.users
    zeros = np.zeros(len(queries), int)
    truth = Trajectories.build(
        (user[0],), city=zeros, uid=queries.uid, d=queries.d, t=queries.t, x=[7, 120, 88], y=[42, 5, 200]
    )
    model = model_of(base, numbers="added")
    found = check(model.probabilities(history, queries, ctx, truth), queries, ctx.grid)
    np.testing.assert_allclose(np.concatenate([found.x, found.y]).sum(axis=1), 1.0)
    ready = model._made_ready(ctx)
    template = Template.build(model.settings.instruction, ctx.grid, ctx.calendar)
    compiled = compile_prompt(template, ready.tokens, history.of(user), queries)
    ids = [*compiled.prompt.tolist(), *compiled.fillers[0].tolist()]
    for slot, number in enumerate(np.stack([truth.x, truth.y], axis=1).ravel().tolist()):
        wanted = log_odds(ready.model, ready.tokens, ids, -1, 200)
        np.testing.assert_allclose((found.y if slot % 2 else found.x)[slot // 2], np.exp(wanted), atol=1e-5)
        ids += [*compiled.span(slot, number).tolist(), *compiled.fillers[slot + 1].tolist()]


def test_free_text_is_read_as_it_is_written(world: SmallWorld, base: Path) -> None:
    history, queries = few(world, users=1)
    model = model_of(base, numbers="added", decoding={"mode": "free"})
    answers = model.predict(history, queries, Context(seed=4, window=world.split.window))
    assert len(answers.x) == len(queries)
