"""Make the tokenizer of the tiny base: ``python -m models.llama_mob.tools.make_tokenizer``; the same bytes each time.

Its vocabulary: Llama 3's chat marks, the numbers 0..999 bare and with a space in front (one token each, so that a
record ``d t x y`` is five tokens), the words and fillers of our own prompts, and all bytes for any other text.
"""

from __future__ import annotations

import itertools

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar, Grid
from bench.files import write_text
from models.llama_mob.base.layouts import BEGIN, HEADER, HEADER_END, TURN_END
from models.llama_mob.base.tokens import NUMBERS
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction

PIECES = r" ?[0-9]{1,3}| ?[A-Za-z]+|[^A-Za-z0-9]+?(?= ?[A-Za-z0-9]|$)"


def make(pattern: str = PIECES) -> Tokenizer:
    """Return the tokenizer. A piece that is in the vocabulary is one token; any other is spelt in bytes.

    pattern: how text is split into pieces; another one gives a stand-in for another model's tokenizer.
    """
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map(str, range(NUMBERS))]
    pieces += [f"Ġ{number}" for number in range(NUMBERS)]
    for text in _texts():
        pieces += [piece for piece, _place in split.pre_tokenize_str(text)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in (BEGIN, HEADER, HEADER_END, TURN_END)])
    return tokenizer


def _texts() -> list[str]:
    """Return our prompts and answers in every form that the settings allow."""
    two = np.array([3, 60])
    queries = Queries.build(("B",), city=np.zeros(2, int), uid=np.zeros(2, int), d=two, t=two % 48)
    history = Trajectories.empty(("B",))
    found = ["system", "user", "assistant", "\n\n"]
    for answer, reason in itertools.product(("json", "minified", "d t x y", "x y"), (False, True)):
        parts = Instruction(answer=answer, reason=reason, weekdays=True, holidays=True)
        template = Template.build(parts, Grid(), Calendar())
        found += [template.system, template.question(history, queries), template.layout.ends(two, two % 48)[0]]
        found.append(Template.build(parts.model_copy(update={"listed": False}), Grid(), Calendar()).system)
    return found


if __name__ == "__main__":
    TINY.mkdir(exist_ok=True)
    write_text(TINY / "tokenizer.json", make().to_str(pretty=True) + "\n")
    print(f"{TINY.name}/tokenizer.json: {make().get_vocab_size()} tokens")
