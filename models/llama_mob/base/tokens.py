"""One contract over tokenizers: how numbers are written is known, and the chat's marks are tokens.

A number 0..999 is one token (Llama 3, and the small tokenizer of make_tokenizer.py), or each of its digits is one
(SmolLM2, Qwen, Gemma, Mistral). To the second kind a token for each number can be added. It is checked when a tokenizer
is loaded; what the prompts need of fillers is checked by ``prompts.compile``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UserError
from models.llama_mob.base.layouts import ALL, chat_of
from models.llama_mob.settings import Numbers

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NUMBERS = 1000
NO_TOKEN = -1  # stands behind the digits of a short number
TOKENIZERS = ("tokenizer.json", "tokenizer.model")  # the first that is there is read


class Tokens:
    """A tokenizer that keeps the contract.

    tables: how numbers may stand in a text, each the ids of 0 to 999: int64 (1000,) where a number is one token (bare,
    and with a space in front where the two are one), else (1000, 3), its digits and then ``NO_TOKEN``; chat: the layout
    of messages; begin, end: of the text and of a turn; ends: all that end an answer, ``end`` first; size: how many ids
    there are; added: the ids of the tokens that were added for numbers.

    base_size: how many of them the base has embeddings for, None: all; end_marks: further ids that end an answer;
    numbers: ``own`` or ``digits`` are demanded, ``auto`` takes what is there, ``added`` gives each number a token.
    Raises UserError where the contract is broken.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        name: str = "tokenizer",
        *,
        base_size: int | None = None,
        end_marks: Sequence[int] = (),
        numbers: Numbers = "auto",
    ) -> None:
        self._tokenizer, self.name = tokenizer, name
        self._known = tokenizer.get_vocab_size(with_added_tokens=True) if base_size is None else base_size
        words = tokenizer.get_vocab_size(with_added_tokens=False)
        if words > self._known:
            raise UserError(f"{name}: has {words} tokens, the base {self._known}: it is of another base")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        found = chat_of(lambda mark: tokenizer.token_to_id(mark) is not None)
        if found is None:
            known = "; ".join(f"{chat.name}: {' '.join(chat.marks)}" for chat in ALL)
            raise UserError(f"{name}: lacks the tokens of every known chat layout ({known})")
        self.chat = found
        self.begin, self.end = (self._id(mark) for mark in (found.marks[0], found.end))
        self.ends = tuple(dict.fromkeys((self.end, *end_marks)))
        self.added = frozenset[int]()
        if numbers == "added":
            self.added = self._add_numbers()
        self.size = tokenizer.get_vocab_size(with_added_tokens=True)
        self.tables = self._written(numbers)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        base_size: int | None = None,
        end_marks: Sequence[int] = (),
        numbers: Numbers = "auto",
    ) -> Tokens:
        """Read a folder's ``tokenizer.json``, or Meta's ``tokenizer.model`` where that alone is there.

        Raises UserError if neither is there, or it is broken or breaks the contract.
        """
        path = next((folder / name for name in TOKENIZERS if (folder / name).is_file()), None)
        if path is None:
            raise UserError(f"{folder / TOKENIZERS[0]}: not there; a base needs its tokenizer beside its weights")
        given: dict[str, Any] = {"base_size": base_size, "end_marks": end_marks, "numbers": numbers}
        if path.suffix == ".json":
            return cls(_read(path), str(path), **given)
        from models.llama_mob.base.tiktoken_file import read_tiktoken

        return cls(read_tiktoken(path), str(path), **given)

    @property
    def single(self) -> bool:
        """Whether every number is one token."""
        return self.tables[0].ndim == 1

    @property
    def way(self) -> str:
        """How numbers are written: ``own``, ``digits`` or ``added``."""
        return "added" if self.added else "own" if self.single else "digits"

    @property
    def numbers(self) -> np.ndarray:
        """The ids of "0" to "999" standing bare."""
        return self.tables[0]

    @property
    def spaced(self) -> np.ndarray | None:
        """The ids of " 0" to " 999" where space and number are one token, else None."""
        return self.tables[1] if len(self.tables) > 1 else None

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, with no mark added. Raises UserError for a token that the base has not."""
        ids: list[int] = self._encoded(text).ids
        return ids

    def encode_with_ends(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of a text and where in it each token ends, both int64. Raises UserError as encode does."""
        encoded = self._encoded(text)
        return np.array(encoded.ids, np.int64), np.array([end for _start, end in encoded.offsets], np.int64)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Return the text of ids, marks left out."""
        text: str = self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=True)
        return text

    def _encoded(self, text: str) -> Any:
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        beyond = {token for token in encoded.ids if token >= self._known} - self.added
        if beyond:
            last = max(beyond)
            word = self._tokenizer.id_to_token(last)
            raise UserError(
                f"{self.name}: the prompt holds the token {word!r} (id {last}), the base has {self._known} tokens: "
                "take the tokenizer of the base, or the word out of the prompt"
            )
        return encoded

    def _id(self, word: str) -> int:
        """Return the id of a token; -1 where there is none."""
        found = self._tokenizer.token_to_id(word)
        return -1 if found is None else int(found)

    def _add_numbers(self) -> frozenset[int]:
        """Give each number a token, bare and with a space in front; return the new ids. ``0`` to ``9`` keep theirs.

        Raises UserError unless the base writes numbers in digits: the new tokens begin as means of these.
        """
        from tokenizers import AddedToken

        with suppress(_NotSingle):
            self._single("")
            raise UserError(f"{self.name}: has a token for each number already; take numbers: own")
        self._digits()
        words = [f"{before}{number}" for before in ("", " ") for number in range(NUMBERS)]
        there = {self._id(word) for word in words}
        self._tokenizer.add_tokens([AddedToken(word, normalized=False) for word in words])
        return frozenset({self._id(word) for word in words} - there)

    def _written(self, numbers: Numbers) -> tuple[np.ndarray, ...]:
        """Return the tables; ``auto`` prefers numbers that are one token."""
        if numbers == "digits":
            return (self._digits(),)
        try:
            bare = self._single("")
        except _NotSingle:
            if numbers == "own":
                raise
            return (self._digits(),)
        return (bare, self._single(" ")) if len(self.encode(" 7")) == 1 else (bare,)

    def _single(self, before: str) -> np.ndarray:
        """Return the id of each number with ``before`` in front; each must be one token, no two the same."""
        found = [self.encode(f"{before}{number}") for number in range(NUMBERS)]
        broken = [number for number, ids in enumerate(found) if len(ids) != 1]
        if broken:
            raise _NotSingle(
                f"{self.name}: {before}{broken[0]} is {len(found[broken[0]])} tokens; every number from 0 to 999 must "
                "be one: take a base whose tokenizer has them, such as Llama 3, or numbers: digits"
            )
        ids = np.array([ids[0] for ids in found], np.int64)
        if len(np.unique(ids)) != NUMBERS:
            raise UserError(f"{self.name}: two numbers share one token; a base with a token for each is needed")
        return ids

    def _digits(self) -> np.ndarray:
        """Return the ids of each number's digits; each must be one token, whatever stands beside it."""
        digits = [self._id(str(digit)) for digit in range(10)]
        table = np.full((NUMBERS, 3), NO_TOKEN, np.int64)
        for number in range(NUMBERS):
            wanted = [digits[int(digit)] for digit in str(number)]
            if self.encode(f"\n{number}\n")[-1 - len(wanted) : -1] != wanted:
                raise UserError(
                    f"{self.name}: writes {number} neither as one token nor digit by digit; take a base whose "
                    "tokenizer does one of both with all numbers, such as Llama 3 or SmolLM2"
                )
            table[number, : len(wanted)] = wanted
        return table


class _NotSingle(UserError):
    """Numbers are not single tokens."""


def _read(path: Path) -> Tokenizer:
    """Read a file of the tokenizers library."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise UserError(f"{path}: cannot be read as a tokenizer ({error})") from None
