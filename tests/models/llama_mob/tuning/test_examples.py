"""What tuning learns of a person: the answer's cells, and the history's where a weight is set."""

from __future__ import annotations

import numpy as np
import pytest
from digit_base import digit_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import compile_prompt, history_numbers
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Instruction
from models.llama_mob.tuning.examples import answered, with_history

TOKENS = {"own": Tokens.load(TINY), "digits": Tokens(digit_tokenizer())}
CELLS = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=2, max_size=9)


def rows(cells: list[tuple[int, int]]) -> Trajectories:
    """Return one user's rows, an hour apart."""
    (x, y), slots, zeros = np.array(cells).T, np.arange(len(cells)), np.zeros(len(cells), int)
    return Trajectories.build(("B",), city=zeros, uid=zeros, d=np.full(len(cells), 60), t=slots, x=x, y=y)


@pytest.mark.parametrize("numbers", TOKENS)
@pytest.mark.parametrize("listed", [True, False])
@settings(max_examples=15)
@given(cells=CELLS)
def test_the_historys_cells_are_learned_and_nothing_else_of_the_prompt(
    numbers: str, listed: bool, cells: list[tuple[int, int]]
) -> None:
    tokens, table = TOKENS[numbers], rows(cells)
    history, truth = table.take(slice(0, -1)), table.take(slice(-1, None))
    template = Template.build(Instruction(listed=listed), Grid(), Calendar())
    compiled = compile_prompt(template, tokens, history, truth.queries())
    of_history = history_numbers(template, tokens, history, truth.queries())
    alone = answered(compiled, truth, truth)
    more = with_history(alone, of_history, 0.25)
    told = len(more.places) - len(alone.places)
    said = [tokens.decode(more.targets[at : at + 1]).strip() for at in range(told)]
    written = [digit for cell in cells[:-1] for number in cell for digit in digits(number, tokens.single)]
    assert said == written
    assert (more.ids[more.places + 1] == more.targets).all()
    assert (more.weights[:told] == 0.25).all()
    assert not more.numbers[:told].any()  # validation is of the answer alone
    whole = with_history(answered(compiled, truth, truth, whole=True), of_history, 0.25)
    assert (whole.weights == 0.25).sum() == told


def digits(number: int, single: bool) -> list[str]:
    """Return what decides a number: itself, or its digits and the white space after them."""
    return [str(number)] if single else [*str(number), ""]
