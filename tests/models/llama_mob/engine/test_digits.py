"""Numbers in digits: every decoding mode, on every architecture, answers what the model's own forward says."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_base import KINDS, digit_base, digit_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_numbers import CHOICES, WAYS, few, log_odds, model_of, plainly

from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from bench.evaluation.probabilities import check
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine.trie import Trie
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import Instruction


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_base(tmp_path_factory.mktemp("digits"))


@pytest.mark.parametrize("choosing", CHOICES, ids=lambda choosing: "-".join(map(str, choosing.values())))
def test_every_mode_answers_what_the_models_own_forward_says(
    world: SmallWorld, base: Path, choosing: dict[str, Any]
) -> None:
    history, queries = few(world)
    ctx = Context(seed=4, window=world.split.window)
    first = model_of(base, decoding=choosing)
    wanted = plainly(first, history, queries, ctx)
    for way in WAYS:
        model = model_of(base, decoding={**way, **choosing})
        model._ready = first._ready
        answers = model.predict(history, queries, ctx)
        assert np.stack([answers.x, answers.y], axis=1).tolist() == wanted.tolist(), way


@pytest.mark.parametrize("choosing", CHOICES, ids=lambda choosing: "-".join(map(str, choosing.values())))
def test_from_the_history_alone_each_point_is_answered_as_if_it_were_the_only_one(
    world: SmallWorld, base: Path, choosing: dict[str, Any]
) -> None:
    history, queries = few(world, points=3)
    ctx = Context(seed=4, window=world.split.window)
    first = model_of(base, decoding={**choosing, "context": "history", "batch": 1})
    points = [queries.take(slice(i, i + 1)) for i in range(len(queries))]
    alone = [first.predict(history, point, ctx) for point in points]
    wanted = [(int(one.x[0]), int(one.y[0])) for one in alone]
    for way in WAYS:
        model = model_of(base, decoding={**choosing, "context": "history", **way})
        model._ready = first._ready
        answers = model.predict(history, queries, ctx)
        assert list(zip(answers.x.tolist(), answers.y.tolist(), strict=True)) == wanted, way
        assert model.usage()["users"] == len(queries.users)
        assert all(len(text.split("\n\n")) == 3 for text in answers.raw.values())
    one, many = model_of(base, decoding=choosing), model.usage()["tokens_read"]
    one._ready = first._ready
    one.predict(history, queries, ctx)
    assert many < 1.5 * one.usage()["tokens_read"]  # the prompt is read once
    if choosing.get("choose") == "greedy":  # the first point has no answer before it in any case
        whole = one.predict(history, queries, ctx)
        begins = queries.starts[:-1]
        assert list(zip(whole.x[begins].tolist(), whole.y[begins].tolist(), strict=True)) == [wanted[i] for i in begins]


@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_answers_what_its_own_forward_says(world: SmallWorld, kind: str, tmp_path: Path) -> None:
    folder, (history, queries) = digit_base(tmp_path / kind, kind), few(world, users=1, points=2)
    ctx = Context(seed=4, window=world.split.window)
    first = model_of(folder)
    wanted = plainly(first, history, queries, ctx)
    for way in WAYS[2:]:
        model = model_of(folder, decoding=way)
        model._ready = first._ready
        answers = model.predict(history, queries, ctx)
        assert np.stack([answers.x, answers.y], axis=1).tolist() == wanted.tolist(), way
    facts = first._made_ready(ctx).facts
    assert facts["numbers"] == "digits"
    layouts = {"gemma3_text": "Gemma's", "mistral": "Mistral's"}
    assert str(facts["chat_layout"]).startswith(layouts.get(kind, "ChatML"))


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("mistral", {"sliding_window": 16}, r"some layers of the base see only 16"),
        ("gemma3_text", {"sliding_window": 16}, r"some layers of the base see only 16"),
        ("gemma3_text", {"final_logit_softcapping": 30.0}, r"final_logit_softcapping is 30\.0, which the engine would"),
    ],
)
def test_configs_that_would_be_answered_wrongly_are_refused(
    world: SmallWorld, kind: str, more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    history, queries = few(world, users=1, points=1)
    with pytest.raises(UserError, match=said):
        model_of(digit_base(tmp_path, kind, **more)).predict(history, queries, Context(window=world.split.window))


def test_probabilities_are_the_oracles_and_look_at_no_later_cell(world: SmallWorld, base: Path) -> None:
    history, queries = few(world, users=1, points=3)
    ctx, (user,) = Context(seed=4, window=world.split.window), queries.users
    n = len(queries)
    city = np.zeros(n, int)
    truth = Trajectories.build(
        (user[0],), city=city, uid=queries.uid, d=queries.d, t=queries.t, x=[7, 120, 88], y=[42, 5, 200]
    )
    model = model_of(base)
    found = check(model.probabilities(history, queries, ctx, truth), queries, ctx.grid)
    ready = model._made_ready(ctx)
    template = Template.build(model.settings.instruction, ctx.grid, ctx.calendar)
    compiled = compile_prompt(template, ready.tokens, history.of(user), queries)
    ids = [*compiled.prompt.tolist(), *compiled.fillers[0].tolist()]
    for slot, number in enumerate(np.stack([truth.x, truth.y], axis=1).ravel().tolist()):
        filler = compiled.fillers[slot + 1].tolist()
        wanted = log_odds(ready.model, ready.tokens, ids, filler[0], 200)
        np.testing.assert_allclose((found.y if slot % 2 else found.x)[slot // 2], np.exp(wanted), atol=1e-5)
        ids += [*compiled.span(slot, number).tolist(), *filler]


def test_from_the_history_alone_probabilities_hang_on_no_other_point(world: SmallWorld, base: Path) -> None:
    history, queries = few(world, users=2, points=3)
    ctx, n = Context(seed=4, window=world.split.window), len(queries)
    names, rng = ("B", "C", "D"), np.random.default_rng(0)
    model = model_of(base, decoding={"context": "history"})
    found = []
    for _ in range(2):
        x, y = rng.integers(1, 201, (2, n))
        shown = Trajectories.build(
            queries.cities or names, city=queries.city, uid=queries.uid, d=queries.d, t=queries.t, x=x, y=y
        )
        found.append(check(model.probabilities(history, queries, ctx, shown), queries, ctx.grid))
    np.testing.assert_allclose(found[0].x, found[1].x, atol=1e-6)
    assert np.abs(found[0].y - found[1].y).max() > 1e-6  # y is given the x that is shown
    chain = model_of(base)
    chain._ready = model._ready
    read = check(chain.probabilities(history, queries, ctx, shown), queries, ctx.grid)
    begins = queries.starts[:-1]
    np.testing.assert_allclose(read.x[begins], found[1].x[begins], atol=1e-5)
    assert np.abs(read.x - found[1].x).max() > 1e-5


@pytest.mark.parametrize("answer", ["json", "minified", "d t x y", "x y"])
@settings(max_examples=15)
@given(numbers=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=5))
def test_a_filled_answer_is_its_text(answer: str, numbers: list[tuple[int, int]]) -> None:
    tokens = Tokens(digit_tokenizer())
    template = Template.build(Instruction(answer=answer), Grid(), Calendar())
    (x, y), d = np.array(numbers).T, np.full(len(numbers), 60)
    t, zeros = np.arange(len(numbers)), np.zeros(len(numbers), int)
    truth = Trajectories.build(("B",), city=zeros, uid=zeros, d=d, t=t, x=x, y=y)
    compiled = compile_prompt(template, tokens, truth.take(slice(0, 1)), truth.queries())
    filled = compiled.filled(truth.x, truth.y)
    assert filled.tolist() == tokens.encode(template.layout.write(d, t, x, y) + tokens.chat.end)
    slots = [slot for slot, _ in groupby(compiled.written_by(truth.x, truth.y).tolist()) if slot >= 0]
    assert slots == list(range(2 * len(numbers)))


def test_a_trie_asks_where_there_is_a_choice() -> None:
    tokens = Tokens(digit_tokenizer())
    trie = Trie.of(tokens.tables[0], 200)
    assert len(trie.nodes) == 1 + 9 + 11  # the root, 1 to 9, and 10 to 20
    assert len(Trie.of(tokens.tables[0], 9).nodes) == 1
    ids = np.unique(np.append(trie.choices, 999))[1:]
    even = np.zeros((len(trie.nodes), len(ids)))
    values, exact = trie.numbers(even, range(len(trie.nodes)), trie.columns(ids), len(ids) - 1)
    assert exact.all()
    assert np.exp(values).sum() == pytest.approx(1.0)
    bounds, known = trie.numbers(even[:1], [0], trie.columns(ids), len(ids) - 1)
    assert not known.any()
    assert (bounds >= values).all()


def test_numbers_that_are_demanded_in_one_token_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="10 is 2 tokens"):
        Tokens.load(base, numbers="own")
