"""Solved examples in the prompt: who is shown, in which layout, kept with the fit, and asked in every mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_base import digit_base, digit_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from weights_folders import CHATML, LLAMA3_CHAT

from bench.adapters.small_world import SmallWorld, people
from bench.data.trajectories import OK, Trajectories
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob.base import layouts
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts import shots
from models.llama_mob.prompts.compile import compile_prompt, history_numbers
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning.examples import examples
from models.llama_mob_parallel import LlamaMobParallelSettings

WORLD = SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=4, trainers=4)
TRAIN = WORLD.split.train
TOKENS = {"own": Tokens.load(TINY), "digits": Tokens(digit_tokenizer())}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_base(tmp_path_factory.mktemp("base"))


def made(base: Path, **given: Any) -> LlamaMob:
    settings = {"preset": "short", "tuning": "none", "learning_rate": 1e-2, "rank": 2}
    return LlamaMob(LlamaMobSettings(base=str(base), **{**settings, **given}))


def fitted(base: Path, folder: Path, **given: Any) -> LlamaMob:
    model = made(base, **given)
    model.fit(TRAIN, WORLD.split.validate, WORLD.context(folder=folder))
    return model


def some(points: int, users: int = 2) -> tuple[Trajectories, Any]:
    """Return the histories of some test users, and their first queries."""
    split = WORLD.split
    chosen = [split.queries.of(user).take(slice(0, points)) for user in split.queries.users[:users]]
    return split.history.only(split.queries.users[:users]), type(chosen[0]).concat(chosen)


def ask(model: LlamaMob) -> Any:
    return model.predict(*some(4), WORLD.context())


@settings(max_examples=20)
@given(seed=st.integers(0, 99), few=st.integers(1, 4), more=st.integers(0, 3))
def test_fewer_examples_are_among_more(seed: int, few: int, more: int) -> None:
    ctx, many = WORLD.context(seed=seed), min(few + more, 4)
    drawn = shots.draw(TRAIN, few, ctx)
    assert len(drawn.users) == few
    assert set(drawn.users) <= set(shots.draw(TRAIN, many, ctx).users)
    assert drawn.fingerprint() == shots.draw(TRAIN, few, ctx).fingerprint()


def test_who_is_shown_follows_the_seed() -> None:
    assert len({shots.draw(TRAIN, 1, WORLD.context(seed=seed)).users for seed in range(20)}) > 1


def test_only_users_with_rows_in_both_parts_are_shown() -> None:
    half = Trajectories.concat([TRAIN.only(TRAIN.users[:2]), TRAIN.only(TRAIN.users[2:]).days(0, 0)])
    assert shots.draw(half, 2, WORLD.context()).users == TRAIN.users[:2]
    with pytest.raises(UserError, match="shots is 3, but 2 training users have rows in both parts of the window"):
        shots.draw(half, 3, WORLD.context())


def test_an_example_ends_where_the_rows_do_and_holds_the_last_days() -> None:
    window = Window(history=(0, 9), horizon=(10, 11))
    table = people("Q", range(1), 9)  # no row of the horizon is known
    (shot,) = shots.cut(table, window, days=2)
    assert (shot.truth.d.min(), shot.truth.d.max()) == (7, 8)
    assert (shot.history.d.min(), shot.history.d.max()) == (5, 6)


def test_the_layouts_are_those_of_the_chat_templates() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    told = [("1 2 3 4", "5 6 7 8"), ("2 2 3 4", "6 6 7 8")]
    said = [{"role": "system", "content": "Predict."}]
    for question, answer in told:
        said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    said.append({"role": "user", "content": "9 9 9 9"})
    for chat, template in ((layouts.CHATML, CHATML), (layouts.LLAMA_3, LLAMA3_CHAT)):
        rendered: Any = render_jinja_template(
            [said], chat_template=template, add_generation_prompt=True, bos_token=chat.begin
        )
        assert chat.opening("Predict.", "9 9 9 9", told) == rendered[0][0]
    assert layouts.GEMMA.opening("Predict.", "9", [("1", "2")]) == (
        "<bos><start_of_turn>user\nPredict.\n\n1<end_of_turn>\n<start_of_turn>model\n2<end_of_turn>\n"
        "<start_of_turn>user\n9<end_of_turn>\n<start_of_turn>model\n"
    )
    assert layouts.MISTRAL.opening("Predict.", "9", [("1", "2")]) == (
        "<s>[INST] Predict.\n\n1[/INST]2</s>[INST] 9[/INST]"
    )


@pytest.mark.parametrize("numbers", TOKENS)
def test_an_example_is_written_as_the_answer_is(numbers: str) -> None:
    tokens, ctx = TOKENS[numbers], WORLD.context()
    template = Template.build(Instruction(listed=False), ctx.grid, ctx.calendar)
    (shot,) = shots.cut(shots.draw(TRAIN, 1, ctx), ctx.window, None)
    user = WORLD.split.queries.users[0]
    asked, past = WORLD.split.queries.of(user), WORLD.split.history.of(user)
    plain, told = (
        compile_prompt(template, tokens, past, asked, turns) for turns in ([], shots.turns(template, [shot]))
    )
    solved = compile_prompt(template, tokens, shot.history, shot.truth.queries())
    whole = [*solved.prompt.tolist(), *solved.filled(shot.truth.x, shot.truth.y).tolist()]
    assert told.prompt[: len(whole)].tolist() == whole
    assert len(told.prompt) > len(plain.prompt)
    assert told.answer.tolist() == plain.answer.tolist()


@pytest.mark.parametrize("numbers", TOKENS)
def test_of_the_prompt_the_questions_history_alone_is_learned(numbers: str) -> None:
    tokens, ctx = TOKENS[numbers], WORLD.context()
    template = Template.build(Instruction(), ctx.grid, ctx.calendar)
    user = WORLD.split.queries.users[0]
    rows = (WORLD.split.history.of(user), WORLD.split.queries.of(user))
    turns = shots.turns(template, shots.cut(shots.draw(TRAIN, 2, ctx), ctx.window, None))
    plain, told = (history_numbers(template, tokens, *rows, turns) for turns in ([], turns))
    assert told[-len(plain) + 20 :].tolist() == plain[20:].tolist()
    assert told.sum() == plain.sum() > 0


def test_untuned_it_is_fitted_saved_and_loaded(base: Path, tmp_path: Path) -> None:
    plain, model = made(base), fitted(base, tmp_path, shots=2)
    assert (plain.learns_from, model.learns_from) == ("nothing", "train users")
    saved = tmp_path / "saved"
    model.save(saved)
    assert [path.name for path in saved.iterdir()] == [shots.FILE]
    fresh = made(base, shots=2)
    fresh.load(saved)
    one, two, bare = ask(model), ask(fresh), ask(plain)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.y, two.y)
    assert not np.array_equal(one.x, bare.x)
    assert dict(fresh.facts()) == dict(model.facts()) == {**plain.facts(), "shots": 2}
    assert model.usage()["tokens_read"] > 2 * plain.usage()["tokens_read"]
    assert model.learning() == plain.learning()


def test_a_training_prompt_holds_the_examples(base: Path) -> None:
    tokens, ctx, asked = TOKENS["digits"], WORLD.context(), made(base, tuning="lora").settings
    template = Template.build(asked.instruction, ctx.grid, ctx.calendar)
    turns = shots.turns(template, shots.cut(shots.draw(TRAIN, 2, ctx), ctx.window, None))
    (plain,), (told,) = (
        examples(TRAIN.only(TRAIN.users[:1]), template, tokens, asked, ctx, told=told) for told in ([], turns)
    )
    assert len(told.ids) > 2 * len(plain.ids)
    assert told.targets.tolist() == plain.targets.tolist()
    assert (told.ids[told.places + 1] == told.targets).all()


@pytest.mark.parametrize("spoil", ["cut", "gone", "of another fit"])
def test_examples_that_are_not_whole_are_refused(spoil: str, base: Path, tmp_path: Path) -> None:
    shots.save(shots.draw(TRAIN, 2, WORLD.context()), tmp_path)
    path = tmp_path / shots.FILE
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif spoil == "gone":
        path.unlink()
    with pytest.raises(UserError, match=r"shots\.npz: .*fit again"):
        made(base, shots=3 if spoil == "of another fit" else 2).load(tmp_path)


def test_all_modes_answer_alike_and_probabilities_read_the_examples(base: Path, tmp_path: Path) -> None:
    first = fitted(base, tmp_path, shots=1, decoding={"mode": "constrained", "choose": "greedy"})
    wanted = ask(first)
    assert (wanted.status == OK).any()
    for way in ({"mode": "jump_forward"}, {"mode": "speculative"}, {"mode": "speculative", "draft": "tree"}):
        model = made(base, shots=1, decoding={"choose": "greedy", **way})
        model._ready, model._shown = first._ready, first._shown
        given = ask(model)
        assert np.array_equal(given.x, wanted.x)
        assert np.array_equal(given.y, wanted.y)
    history, queries = some(2)
    truth = [WORLD.truth.of(user).take(slice(0, 2)) for user in queries.users]
    asked = (history, queries, WORLD.context(), Trajectories.concat(truth))
    told, plain = first.probabilities(*asked), made(base).probabilities(*asked)
    assert told.x.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(told.x, plain.x)


def test_tuned_it_learns_from_those_who_are_not_shown(base: Path, tmp_path: Path) -> None:
    model = fitted(base, tmp_path / "scratch", shots=1, tuning="lora")
    assert model.facts()["trajectories"] == len(TRAIN.users) - 1
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    fresh = made(base, shots=1, tuning="lora")
    fresh.load(tmp_path / "saved")
    assert np.array_equal(ask(model).x, ask(fresh).x)
    assert dict(fresh.facts()) == dict(model.facts())


def test_the_control_shows_permuted_coordinates(base: Path, tmp_path: Path) -> None:
    shown = [fitted(base, tmp_path, shots=1, permute=permute) for permute in (False, True)]
    assert shown[0]._shown is not None
    assert shown[0]._shown.fingerprint() == shown[1]._shown.fingerprint()  # type: ignore[union-attr]
    answers = [ask(model) for model in shown]
    assert not np.array_equal(answers[0].x, answers[1].x)


def test_a_prompt_beyond_the_context_is_refused(tmp_path: Path) -> None:
    small = digit_base(tmp_path / "small", max_position_embeddings=1500)
    assert len(ask(made(small)))
    model = fitted(small, tmp_path, shots=3)
    with pytest.raises(UserError, match=r"the base reads 1,500: .*take fewer history_days or shots"):
        ask(model)


def test_who_cannot_be_shown_is_said(base: Path) -> None:
    nobody = WORLD.split.train.only([])
    split = type(WORLD.split)(**{**vars(WORLD.split), "train": nobody})
    assert made(base, shots=1).skip(split) == "shots needs training users; the split has none"
    assert made(base).skip(split) is None
    assert not made(base, shots=1).knows_worlds  # cities of another grid are left out
    with pytest.raises(ValueError, match=r"shots is of llama_mob"):
        LlamaMobParallelSettings(shots=1)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_examples_are_read_once_for_all_users(base: Path, tmp_path: Path, batch: int) -> None:
    model = fitted(base, tmp_path, shots=2, decoding={"batch": batch})
    (history, queries), ctx = some(4, users=4), WORLD.context()
    alone, read = [], []
    for user in queries.users:
        alone.append(model.predict(history, queries.of(user), ctx))
        read.append(model.usage()["tokens_read"])
    found = model.predict(history, queries, ctx)
    assert found.x.tolist() == np.concatenate([one.x for one in alone]).tolist()
    assert found.y.tolist() == np.concatenate([one.y for one in alone]).tolist()
    plain = made(base, decoding={"batch": batch})
    plain.predict(history, queries, ctx)
    users = int(model.usage()["users"])  # one has no history
    examples = (sum(read) - plain.usage()["tokens_read"]) / users
    saved = (sum(read) - model.usage()["tokens_read"]) / (users - 1)
    assert examples < saved < 1.1 * examples  # what says what is asked for is shared, too
