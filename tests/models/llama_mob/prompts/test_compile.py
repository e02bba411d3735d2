"""Prompts compile to what the tokenizer makes of their text, with a slot for each unknown number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.prompts.compile import UNKNOWN, compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, AnswerFormat, Instruction

TOKENS = Tokens.load(TINY)
FORMATS: tuple[AnswerFormat, ...] = ("json", "minified", "d t x y", "x y")


def _template(**parts: object) -> Template:
    return Template.build(Instruction(**parts), Grid(), Calendar())


@st.composite
def _truth(draw: st.DrawFn) -> Trajectories:
    keys = draw(st.lists(st.tuples(st.integers(60, 74), st.integers(0, 47)), min_size=1, max_size=8, unique=True))
    cells = draw(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=len(keys), max_size=len(keys)))
    (d, t), (x, y), zeros = np.array(keys).T, np.array(cells).T, np.zeros(len(keys), int)
    return Trajectories.build(("B",), city=zeros, uid=zeros, d=d, t=t, x=x, y=y)


@pytest.mark.parametrize(("answer", "reason"), list(itertools.product(FORMATS, (False, True))))
@settings(max_examples=25)
@given(truth=_truth())
def test_a_filled_answer_is_its_text(answer: AnswerFormat, reason: bool, truth: Trajectories) -> None:
    template = _template(answer=answer, reason=reason)
    compiled = compile_prompt(template, TOKENS, truth.take(slice(0, 1)), truth.queries())
    text = template.layout.write(truth.d, truth.t, truth.x, truth.y)
    filled = compiled.filled(truth.x, truth.y)
    assert filled.tolist() == [*TOKENS.encode(text), TOKENS.end]
    assert TOKENS.decode(filled) == text
    assert len(compiled.slots) == 2 * len(truth)
    assert (compiled.answer[compiled.slots] == UNKNOWN).all()


def test_the_prompt_holds_the_records_and_ends_where_the_answer_begins() -> None:
    split = SmallWorld.make().split
    user = split.queries.users[0]
    history, queries = split.history.of(user), split.queries.of(user)
    compiled = compile_prompt(_template(), TOKENS, history, queries)
    text = TOKENS.decode(compiled.prompt)
    rows = text.partition("Records:\n")[2].partition("assistant")[0].splitlines()
    assert len(rows) == len(history) + len(queries)
    assert rows[0] == f"{history.d[0]} {history.t[0]} {history.x[0]} {history.y[0]}"
    assert rows[-1] == f"{queries.d[-1]} {queries.t[-1]} 999 999"
    assert compiled.prompt[0] == TOKENS.begin
    assert text.endswith("assistant\n\n")


def test_what_is_not_listed_is_not_in_the_prompt() -> None:
    split = SmallWorld.make().split
    user = split.queries.users[0]
    compiled = compile_prompt(_template(listed=False), TOKENS, split.history.of(user), split.queries.of(user))
    assert "999" not in TOKENS.decode(compiled.prompt)


def test_nothing_to_predict_is_an_answer_without_slots() -> None:
    nothing = Queries.empty(("B",))
    compiled = compile_prompt(_template(answer="json"), TOKENS, Trajectories.empty(("B",)), nothing)
    assert len(compiled.slots) == 0


def test_each_part_can_be_switched() -> None:
    full = _template(weekdays=True, holidays=True).system
    for part in ("role", "grid", "quadruple", "example", "weekdays", "holidays"):
        less = _template(**{"weekdays": True, "holidays": True, part: False}).system
        dropped = set(full.splitlines()) - set(less.splitlines())
        assert len(dropped) == 1, part
        assert set(less.splitlines()) < set(full.splitlines())


def test_the_instruction_speaks_of_the_grid_and_calendar_at_hand() -> None:
    grid, calendar = Grid(width=60, height=40, cell_km=0.25, slots=24), Calendar(frozenset({2}), frozenset())
    said = Template.build(Instruction(weekdays=True, holidays=True), grid, calendar).system
    assert "60 x 40 cells, each 250 m" in said
    assert "to 23, 60 minutes" in said
    assert "leave 2 when divided by 7" in said
    assert "Holidays" not in said


def test_the_instruction_follows_first_weekday_breaks_and_slots() -> None:
    grid, calendar = Grid(width=37, height=61, cell_km=1.0, slots=96), Calendar(first_weekday=1, breaks=((59, 89),))
    said = Template.build(Instruction(weekdays=True), grid, calendar).system
    assert "3 32 37 61 says that on day 3, in the timeslot from 8 to 8:15, the person was in cell 37 61" in said
    assert (
        "Weekends are the days that leave 5 and 6 when divided by 7; from day 60 on, the days that leave 0 and 1"
        in said
    )
    usual = Template.build(Instruction(weekdays=True), Grid(), Calendar()).system
    assert "For example, 3 16 88 120 says that on day 3, in the timeslot from 8 to 8:30, the person" in usual
    assert "Weekends are the days that leave 0 and 6 when divided by 7." in usual


def test_rows_of_cells_alone_need_the_listed_records() -> None:
    with pytest.raises(ValueError, match="set listed to true"):
        Instruction(answer="x y", listed=False)


def test_a_tokenizer_that_merges_numbers_with_their_surroundings_is_refused() -> None:
    class Merging(Tokens):
        def encode_with_ends(self, text: str) -> tuple[np.ndarray, np.ndarray]:
            ids, ends = super().encode_with_ends(text)
            return np.delete(ids, 2), np.delete(ends, 2)

    from models.llama_mob.tools.make_tokenizer import make

    split = SmallWorld.make().split
    user = split.queries.users[0]
    with pytest.raises(UserError, match="splits the answer's numbers"):
        compile_prompt(_template(), Merging(make()), split.history.of(user), split.queries.of(user))
