"""Meta's ``tokenizer.model`` and what Llama 3's tokenisation makes of real prompts."""

from __future__ import annotations

import base64
import csv
import itertools
from pathlib import Path

import pytest

from bench.data.files.csvfiles import read_points
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob.base.layouts import LLAMA_3
from models.llama_mob.base.tiktoken_file import read_tiktoken
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.conversations import paper_template
from models.llama_mob.prompts.formats import layout
from models.llama_mob.prompts.template import Template

WINDOW = Window()


def write(path: Path, pieces: list[bytes]) -> Path:
    path.write_bytes(b"".join(base64.b64encode(piece) + b" %d\n" % i for i, piece in enumerate(pieces)))
    return path


BYTES = [bytes([byte]) for byte in range(256)]
DIGITS = [bytes(pair) for pair in itertools.product(b"0123456789", repeat=2)]
TRIPLES = [b"%03d" % number for number in range(1000)]


def test_pieces_are_merged_by_rank(tmp_path: Path) -> None:
    tokenizer = read_tiktoken(write(tmp_path / "tokenizer.model", [*BYTES, b"bc", b"ab", b"abcd", b"cd"]))
    texts = {"abc": [97, 256], "bcab": [256, 257], "abcd": [258], "xabcd": [120, 97, 256, 100], "é": [0xC3, 0xA9]}
    for text, ids in texts.items():
        assert tokenizer.encode(text).ids == ids
        assert tokenizer.decode(ids) == text
    assert tokenizer.encode("<|begin_of_text|>a<|eot_id|>").ids == [260, 97, 269]


def test_a_folder_with_tokenizer_model_alone_is_read(tmp_path: Path) -> None:
    write(tmp_path / "tokenizer.model", [*BYTES, *DIGITS, *TRIPLES])
    tokens = Tokens.load(tmp_path)
    assert tokens.numbers[[7, 63, 999]].tolist() == [ord("7"), 256 + 63, 356 + 999]
    assert tokens.spaced is None


def test_numbers_of_several_tokens_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "tokenizer.model", [*BYTES, *DIGITS])
    with pytest.raises(UserError, match="writes 10 neither as one token nor digit by digit"):
        Tokens.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x0a\x0b\x00 sentencepiece", b"YQ== 0\n", b"YQ== zero\n", b"!!! 0\n", b"YQ==\n"],
)
def test_what_is_no_such_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(UserError, match=r"tokenizer\.model: (cannot be read as a tokenizer|lacks tokens)"):
        Tokens.load(tmp_path)


def test_llama_3s_ids(llama3: Tokens) -> None:
    assert (llama3.size, llama3.begin, llama3.end, llama3.spaced) == (128256, 128000, 128009, None)
    assert llama3.encode("This is a test sentence.") == [2028, 374, 264, 1296, 11914, 13]


def test_real_prompts_have_as_many_tokens_as_were_logged(llama3: Tokens, published: Path, humob100: Path) -> None:
    template = paper_template(published)
    for city in "BC":
        people = read_points(humob100 / f"city_{city}.csv.gz", city=city).visible
        with (humob100 / f"llama_seconds_{city}.csv").open() as file:
            logged = {int(row["uid"]): int(row["prompt_tokens"]) for row in csv.DictReader(file)}
        assert len(logged) == 100
        for uid, tokens in logged.items():
            rows = people.of((city, uid))
            text = template.prompt(rows.days(*WINDOW.history), rows.days(*WINDOW.horizon).queries(), LLAMA_3)
            assert len(llama3.encode(text)) == tokens == 437 + 8 * len(rows)


@pytest.mark.parametrize(("form", "each"), [("json", 20), ("minified", 8), ("d t x y", 8), ("x y", 4)])
def test_tokens_a_point(llama3: Tokens, published: Path, humob100: Path, form: str, each: int) -> None:
    words = paper_template(published)
    template = Template(words.system, words.lead, words.listed, layout(form, None))  # type: ignore[arg-type]
    people = read_points(humob100 / "city_B.csv.gz", city="B").visible
    lengths = set()
    for user in people.users[:4]:
        rows = people.of(user)
        asked = rows.days(*WINDOW.horizon).queries()
        compiled = compile_prompt(template, llama3, rows.days(*WINDOW.history), asked)
        lengths.add(len(compiled.answer) - each * len(asked))
        assert len(compiled.slots) == 2 * len(asked)
    assert len(lengths) == 1
    assert lengths.pop() < 20
