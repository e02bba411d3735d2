"""One contract over tokenizers: every number 0..999 is one token, and the chat's marks are known.

Llama-3's tokenizer and the small one of the project (make_tokenizer.py) keep it. It is checked when a tokenizer is
loaded; what the prompts need of fillers is checked by ``prompts.compile``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEGIN, HEADER, HEADER_END, TURN_END = "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
NUMBERS = 1000
TOKENIZERS = ("tokenizer.json", "tokenizer.model")  # the first that is there is read


class Tokens:
    """A tokenizer that keeps the contract.

    numbers: int64 (1000,), the ids of "0" to "999" standing bare; spaced: the ids of " 0" to " 999" where space and
    number are one token, else None; begin, end: of the text and of a turn; ends: all that end an answer, ``end`` first;
    size: how many ids there are. base_size: how many of them the base has embeddings for, None: all; end_marks: further
    ids that end an answer. Raises UserError where the contract is broken.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        name: str = "tokenizer",
        *,
        base_size: int | None = None,
        end_marks: Sequence[int] = (),
    ) -> None:
        self._tokenizer, self.name = tokenizer, name
        self._known = tokenizer.get_vocab_size(with_added_tokens=True) if base_size is None else base_size
        words = tokenizer.get_vocab_size(with_added_tokens=False)
        if words > self._known:
            raise UserError(f"{name}: has {words} tokens, the base {self._known}: it is of another base")
        tokenizer.no_truncation()
        tokenizer.no_padding()
        needed = (BEGIN, HEADER, HEADER_END, TURN_END)
        marks = {mark: found for mark in needed if (found := tokenizer.token_to_id(mark)) is not None}
        missing = [mark for mark in needed if mark not in marks]
        if missing:
            raise UserError(f"{name}: lacks the tokens {' '.join(missing)}; Llama 3's chat layout needs them")
        self.begin, self.end = marks[BEGIN], marks[TURN_END]
        self.ends = tuple(dict.fromkeys((self.end, *end_marks)))
        self.size = tokenizer.get_vocab_size(with_added_tokens=True)
        self.numbers = self._single("")
        spaced = self.encode(" 7")
        self.spaced = self._single(" ") if len(spaced) == 1 else None

    @classmethod
    def load(cls, folder: Path, *, base_size: int | None = None, end_marks: Sequence[int] = ()) -> Tokens:
        """Read a folder's ``tokenizer.json``, or Meta's ``tokenizer.model`` where that alone is there.

        Raises UserError if neither is there, or it is broken or breaks the contract.
        """
        path = next((folder / name for name in TOKENIZERS if (folder / name).is_file()), None)
        if path is None:
            raise UserError(f"{folder / TOKENIZERS[0]}: not there; a base needs its tokenizer beside its weights")
        if path.suffix == ".json":
            return cls(_read(path), str(path), base_size=base_size, end_marks=end_marks)
        from models.llama_mob.base.tiktoken_file import read_tiktoken

        return cls(read_tiktoken(path), str(path), base_size=base_size, end_marks=end_marks)

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
        last = max(encoded.ids, default=0)
        if last >= self._known:
            word = self._tokenizer.id_to_token(last)
            raise UserError(
                f"{self.name}: the prompt holds the token {word!r} (id {last}), the base has {self._known} tokens: "
                "take the tokenizer of the base, or the word out of the prompt"
            )
        return encoded

    def _single(self, before: str) -> np.ndarray:
        """Return the id of each number with ``before`` in front; each must be one token, no two the same."""
        found = [self.encode(f"{before}{number}") for number in range(NUMBERS)]
        broken = [number for number, ids in enumerate(found) if len(ids) != 1]
        if broken:
            raise UserError(
                f"{self.name}: {before}{broken[0]} is {len(found[broken[0]])} tokens; every number from 0 to 999 must "
                "be one: take a base whose tokenizer has them, such as Llama 3"
            )
        ids = np.array([ids[0] for ids in found], np.int64)
        if len(np.unique(ids)) != NUMBERS:
            raise UserError(f"{self.name}: two numbers share one token; a base with a token for each is needed")
        return ids


def _read(path: Path) -> Tokenizer:
    """Read a file of the tokenizers library."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise UserError(f"{path}: cannot be read as a tokenizer ({error})") from None
