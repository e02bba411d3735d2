"""The contract over tokenizers: numbers are single tokens; what breaks it is one clear error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from bench.errors import UserError
from models.llama_mob.base.layouts import BEGIN, HEADER, HEADER_END, TURN_END
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.settings import TINY
from models.llama_mob.tools.make_tokenizer import make

MARKS = [BEGIN, HEADER, HEADER_END, TURN_END]


@pytest.fixture(scope="module")
def tiny() -> Tokens:
    return Tokens.load(TINY)


def test_the_shipped_tokenizer_is_the_one_that_the_script_makes() -> None:
    assert Tokenizer.from_file(str(TINY / "tokenizer.json")).to_str() == make().to_str()


def test_every_number_is_one_token_bare_and_spaced(tiny: Tokens) -> None:
    assert tiny.spaced is not None
    for number in range(1000):
        assert tiny.encode(f"3\n{number}")[2:] == [tiny.numbers[number]]
        assert tiny.encode(f"3 {number}\n")[1] == tiny.spaced[number]


@cache
def own_tokens() -> Tokens:
    return Tokens(make())


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    tokens = own_tokens()
    assert tokens.decode(tokens.encode(text)) == text or any(mark in text for mark in MARKS)


def test_a_record_is_five_tokens(tiny: Tokens) -> None:
    assert len(tiny.encode("60 17 101 99\n61 18 101 100\n")) == 10


def test_a_tokenizer_that_splits_numbers_is_refused(tmp_path: Path) -> None:
    vocabulary = {**{str(n): n for n in range(10)}, **{mark: 10 + i for i, mark in enumerate(MARKS)}}
    digits = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    digits.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits.add_special_tokens(MARKS)
    digits.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match="10 is 2 tokens; every number from 0 to 999 must be one"):
        Tokens.load(tmp_path, numbers="own")


def test_a_tokenizer_without_the_chat_marks_is_refused(tmp_path: Path) -> None:
    plain = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(UserError, match="lacks the tokens"):
        Tokens(plain)


@pytest.mark.parametrize("content", [None, "", "{", '{"version": "1.0"}'])
def test_a_missing_or_broken_file_is_one_clear_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match=r"tokenizer\.json") as caught:
        Tokens.load(tmp_path)
    assert len(caught.value.messages) == 1
