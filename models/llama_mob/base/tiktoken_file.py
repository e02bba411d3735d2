"""Llama 3's ``tokenizer.model`` as Meta publishes it (tiktoken's format) -> a ``tokenizers.Tokenizer``.

One line a token: its bytes in base64 and its rank. The splitting pattern and the special tokens stand in no file: they
are Llama 3's (256 of them, behind the ranks; those that chats do not use are named ``reserved``).
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from bench.errors import UserError
from models.llama_mob.base.layouts import BEGIN, HEADER, HEADER_END, TURN_END

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = {0: BEGIN, 1: "<|end_of_text|>", 6: HEADER, 7: HEADER_END, 9: TURN_END}
RESERVED = 256


def read_tiktoken(path: Path) -> Tokenizer:
    """Read the file. Raises UserError if it is no such file."""
    ranks = _ranks(path)
    letters = _letters()
    written = {piece: piece.decode("latin-1").translate(letters) for piece in ranks}
    merges = [
        (rank, ranks[piece[:cut]], written[piece[:cut]], written[piece[cut:]])
        for piece, rank in ranks.items()
        for cut in range(1, len(piece))
        if piece[:cut] in ranks and piece[cut:] in ranks
    ]
    merges.sort(key=lambda merge: merge[:2])
    pairs = [(left, right) for _rank, _first, left, right in merges]
    vocabulary = {written[piece]: rank for piece, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in _specials()])
    return tokenizer


def _ranks(path: Path) -> dict[bytes, int]:
    """Return the rank of each piece of bytes; ranks count from 0 without gaps."""
    ranks: dict[bytes, int] = {}
    try:
        for line in path.read_bytes().splitlines():
            piece, rank = line.split()
            ranks[base64.b64decode(piece, validate=True)] = int(rank)
    except (OSError, ValueError, binascii.Error) as error:
        raise UserError(f"{path}: cannot be read as a tokenizer of tiktoken's format ({error})") from None
    if sorted(ranks.values()) != list(range(len(ranks))) or any(bytes([byte]) not in ranks for byte in range(256)):
        raise UserError(f"{path}: lacks tokens; copy or download it again")
    return ranks


def _letters() -> dict[int, str]:
    """Return the letter by which byte-level tokenizers write each byte: printable ones stand for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _specials() -> list[str]:
    """Return the special tokens in the order of their ids."""
    free = (f"<|reserved_special_token_{i}|>" for i in range(RESERVED))
    return [SPECIALS.get(i) or next(free) for i in range(RESERVED)]
