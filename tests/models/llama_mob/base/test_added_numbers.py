"""Tokens that are added for numbers, and where their rows begin: by id, as means of their digits' rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import weights_folders as made
from digit_base import MARKS, digit_base, digit_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from models.llama_mob.base import added_numbers, base
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction, LlamaMobSettings


@cache
def tokens(chat: str = "chatml") -> Tokens:
    return Tokens(digit_tokenizer(chat), numbers="added")


def load(folder: Path | str, **more: Any) -> base.Loaded:
    return base.load(LlamaMobSettings(base=str(folder), tuning="none", numbers="added", **more), Context())


# Tokens


@pytest.mark.parametrize("chat", MARKS)
def test_every_number_gets_a_token_and_the_ten_digits_keep_theirs(chat: str) -> None:
    plain, more = Tokens(digit_tokenizer(chat)), tokens(chat)
    assert more.spaced is not None
    for number in range(1000):
        assert more.encode(f"[{number},")[1:-1] == [more.numbers[number]]
        assert more.encode(f"3 {number}\n")[1:-1] == [more.spaced[number]]
    assert more.numbers[:10].tolist() == plain.tables[0][:10, 0].tolist()
    rest = {*more.numbers[10:].tolist(), *more.spaced.tolist()}
    assert rest == more.added == set(range(plain.size, plain.size + 1990))
    assert (plain.way, more.way, Tokens.load(TINY).way) == ("digits", "added", "own")


def test_a_record_is_five_tokens_instead_of_thirteen() -> None:
    record = "60 17 101 99\n"
    assert len(tokens().encode(record)) == 5
    assert len(Tokens(digit_tokenizer()).encode(record)) == 13


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    assert tokens().decode(tokens().encode(text)) == text or any(mark in text for mark in MARKS["chatml"])


@pytest.mark.parametrize("answer", ["json", "minified", "d t x y", "x y"])
@settings(max_examples=15)
@given(numbers=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=5))
def test_a_filled_answer_is_its_text(answer: str, numbers: list[tuple[int, int]]) -> None:
    template = Template.build(Instruction(answer=answer), Grid(), Calendar())
    (x, y), d = np.array(numbers).T, np.full(len(numbers), 60)
    t, zeros = np.arange(len(numbers)), np.zeros(len(numbers), int)
    truth = Trajectories.build(("B",), city=zeros, uid=zeros, d=d, t=t, x=x, y=y)
    compiled = compile_prompt(template, tokens(), truth.take(slice(0, 1)), truth.queries())
    filled = compiled.filled(truth.x, truth.y)
    assert filled.tolist() == tokens().encode(template.layout.write(d, t, x, y) + tokens().chat.end)
    assert len(compiled.slots) == 2 * len(numbers)


@pytest.mark.parametrize("more", [{"base": "tiny"}, {"shape": "llama-3.2-1b", "weights": "random"}], ids=str)
def test_a_base_with_numbers_of_its_own_gets_none(more: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="has a token for each number already; take numbers: own") as caught:
        base.load(LlamaMobSettings(tuning="none", numbers="added", **more), Context())
    assert len(caught.value.messages) == 1


# Rows


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_rows_are_means_of_digits_and_nothing_else_moves(tied: bool, tmp_path: Path) -> None:
    folder = digit_base(tmp_path, tie_word_embeddings=tied)
    plain = base.load(LlamaMobSettings(base=str(folder), tuning="none"), Context())
    loaded = load(folder)
    digit, bare, spaced = plain.tokens.tables[0][:10, 0], loaded.tokens.numbers, loaded.tokens.spaced
    pairs = [
        (one.get_input_embeddings().weight.detach(), one.get_output_embeddings().weight.detach())
        for one in (plain.model, loaded.model)
    ]
    for before, after in zip(*pairs, strict=True):
        assert torch.equal(after[: len(before)], before)
        for number, shares in ((7, {7: 1.0}), (42, {4: 0.55, 2: 0.45}), (101, {1: 0.65, 0: 0.35})):
            wanted = sum(share * before[digit[one]] for one, share in shares.items())
            for table in (bare, spaced):
                assert torch.allclose(after[table[number]], wanted, atol=1e-6)
        assert not torch.allclose(after[bare[12]], after[bare[21]])
    inside, outside = loaded.model.get_input_embeddings(), loaded.model.get_output_embeddings()
    assert (inside.weight is outside.weight) is tied
    tables = 1 if tied else 2
    assert loaded.facts["added_tokens"] == 1990
    assert loaded.facts["added_parameters"] == 1990 * 32 * tables
    assert loaded.facts["parameters"] == plain.facts["parameters"] + 1990 * 32 * tables


def test_ids_may_fall_into_rows_that_a_base_keeps_free(tmp_path: Path) -> None:
    size = digit_tokenizer().get_vocab_size()
    folder = digit_base(tmp_path / "free", vocab_size=size + 100)
    loaded = load(folder)
    table = loaded.model.get_input_embeddings().weight.detach()
    assert len(table) == size + 1990
    wanted = added_numbers.start(table, loaded.tokens)
    assert torch.equal(table[added_numbers.ids_of(loaded.tokens)], wanted)
    assert loaded.facts["added_parameters"] == 1890 * 32


def test_a_word_that_the_base_has_not_stays_unknown(tmp_path: Path) -> None:
    loaded = load(made.padded(digit_base(tmp_path)))
    assert loaded.tokens.encode("60 17 101 99\n")
    with pytest.raises(UserError, match=r"holds the token '\[PAD\]'"):
        loaded.tokens.encode("1 [PAD]")
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).token_to_id(" 17") is None


def test_rows_of_another_base_are_refused(tmp_path: Path) -> None:
    loaded = load(digit_base(tmp_path))
    with pytest.raises(UserError, match=r"rows of added numbers are \{\}, the base needs \{'input': \(2000, 32\)\}"):
        added_numbers.write(loaded.model, loaded.tokens, {})
