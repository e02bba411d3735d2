from __future__ import annotations

import json
import re
import time
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.trajectories import INVALID, MISSING, OK
from bench.data.world import Grid
from models.llama_mob.prompts.formats import REASON, layout
from models.llama_mob.prompts.parse import Reading, read_answer
from models.llama_mob.settings import AnswerFormat

FORMATS = get_args(AnswerFormat)
ASKED = np.array([[60, 0], [60, 7], [61, 30]])
CELLS = np.array([[63, 80], [68, 81], [200, 1]])


def read(text: str, asked: np.ndarray = ASKED, keyed: bool = True) -> Reading:
    return read_answer(text, asked, keyed=keyed, grid=Grid())


def written(form: AnswerFormat, reason: str | None = None, asked: np.ndarray = ASKED, cells: np.ndarray = CELLS) -> str:
    return layout(form, reason).write(asked[:, 0], asked[:, 1], cells[:, 0], cells[:, 1])


def faults(reading: Reading) -> dict[str, int]:
    kinds = ("malformed", "missing", "surplus", "out_of_range", "duplicates")
    return {kind: getattr(reading, kind) for kind in kinds if getattr(reading, kind)}


@settings(max_examples=60)
@given(
    keys=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 47)), min_size=1, max_size=40, unique=True),
    seed=st.integers(0, 999),
    form=st.sampled_from(FORMATS),
    reason=st.sampled_from([None, REASON, "Home at [3, 4] by night {mostly}."]),
)
def test_what_a_format_writes_is_read_back(
    keys: list[tuple[int, int]], seed: int, form: AnswerFormat, reason: str | None
) -> None:
    asked = np.array(keys)
    cells = np.random.default_rng(seed).integers(1, 201, (len(keys), 2))
    reading = read(written(form, reason, asked, cells), asked, layout(form, reason).keyed)
    np.testing.assert_array_equal(np.stack([reading.x, reading.y], axis=1), cells)
    assert (reading.status == OK).all()
    assert faults(reading) == {}


@settings(max_examples=150)
@given(form=st.sampled_from(FORMATS), reason=st.sampled_from([None, REASON]), cut=st.integers(0, 10_000))
def test_of_a_text_cut_off_the_whole_points_count(form: AnswerFormat, reason: str | None, cut: int) -> None:
    text = written(form, reason)
    shape = layout(form, reason)
    cut = cut % len(text)
    ends = [len(written(form, reason, ASKED[:n], CELLS[:n])) - len(shape.end) for n in range(4)]
    whole = sum(cut >= end for end in ends[1:])
    reading = read(text[:cut], keyed=shape.keyed)
    np.testing.assert_array_equal(np.stack([reading.x, reading.y], axis=1)[:whole], CELLS[:whole])
    assert (reading.status[:whole] == OK).all()
    if form in ("json", "minified"):
        assert reading.missing == 3 - whole
        body = text.find("```", 3) if form == "json" else len(text)  # the fence's end is no part of the JSON
        assert reading.malformed == (cut < body - (form == "json"))


@given(text=st.text(max_size=300), keyed=st.booleans())
def test_no_text_raises(text: str, keyed: bool) -> None:
    reading = read(text, keyed=keyed)
    assert len(reading.status) == 3


@settings(max_examples=150)
@given(
    form=st.sampled_from(FORMATS),
    at=st.integers(0, 10_000),
    length=st.integers(1, 30),
    other=st.text(alphabet='[]{}",: \n-0123456789abc`', max_size=30),
)
def test_counts_of_a_mangled_text_add_up(form: AnswerFormat, at: int, length: int, other: str) -> None:
    text = written(form, REASON)
    at %= len(text)
    reading = read(text[:at] + other + text[at + length :], keyed=layout(form, None).keyed)
    assert reading.missing == (reading.status == MISSING).sum()
    assert reading.out_of_range <= (reading.status == INVALID).sum()
    good = reading.status == OK
    assert ((reading.x >= 1) & (reading.x <= 200) & (reading.y >= 1) & (reading.y <= 200))[good].all()
    assert not reading.x[~good].any()
    if (reading.status == INVALID).sum() > reading.out_of_range:
        assert reading.malformed


def test_faults_are_counted_by_kind() -> None:
    points = [[60, 0, 63, 80], [60, 0, 5, 5], [60, 7, 201, 3], [9, 9, 1, 1]]
    text = json.dumps({"reason": "so", "prediction": points})
    reading = read(text)
    assert reading.status.tolist() == [OK, INVALID, MISSING]
    assert faults(reading) == {"missing": 1, "surplus": 1, "out_of_range": 1, "duplicates": 1}
    assert faults(read("\n".join(" ".join(map(str, row)) for row in points))) == faults(reading)


@pytest.mark.parametrize("cell", ["999, 999", "0, 5", "-3, 5", "5, 201", f"5, {10**40}"])
def test_numbers_outside_the_grid(cell: str) -> None:
    reading = read(f'{{"prediction": [[60, 0, {cell}], [60, 7, 68, 81], [61, 30, 200, 1]]}}')
    assert reading.status.tolist() == [INVALID, OK, OK]
    assert faults(reading) == {"out_of_range": 1}


@pytest.mark.parametrize("cell", ['"a", 5', "63.5, 80", "true, 80", "null, 1", "NaN, 1", "[1], 2", "63", "63, 80, 1"])
def test_what_is_no_cell_makes_a_text_malformed(cell: str) -> None:
    reading = read(f'{{"prediction": [[60, 0, {cell}], [60, 7, 68, 81], [61, 30, 200, 1]]}}')
    assert reading.status[0] != OK
    assert reading.status[1:].tolist() == [OK, OK]
    assert reading.malformed == 1


@pytest.mark.parametrize("form", ["json", "minified"])
@pytest.mark.parametrize("around", ["{}", "Here it is:\n{}\nI hope it helps.", "```\n{}\n```", "```json\n{}\n```"])
def test_json_may_stand_among_words_and_fences(form: AnswerFormat, around: str) -> None:
    bare = re.sub("```(json\n)?", "", written(form, REASON)).strip()
    reading = read(around.format(bare))
    assert (reading.status == OK).all()
    assert faults(reading) == {}


def test_a_bare_list_and_rows_with_commas_and_a_header_are_read() -> None:
    points = np.hstack([ASKED, CELLS])
    assert faults(read(json.dumps(points.tolist()))) == {}
    assert faults(read("d,t,x,y\n" + "\n".join(",".join(map(str, row)) for row in points))) == {}
    assert faults(read("The cells:\n63 80\n68 81\n200 1\n", keyed=False)) == {}


def test_rows_without_keys_go_by_order() -> None:
    reading = read("63 80\n68\n200 1\n7 7\n", keyed=False)
    assert reading.status.tolist() == [OK, INVALID, OK]
    assert faults(reading) == {"malformed": 1, "surplus": 1}
    assert read("63 80\n", keyed=False).status.tolist() == [OK, MISSING, MISSING]


@pytest.mark.parametrize(
    "text", ["", "I cannot say.", '{"prediction": []}', '{"reason": "none"}', "[]", "{", '{"prediction": 3}']
)
def test_a_text_without_answers_is_malformed(text: str) -> None:
    assert faults(read(text)) == {"malformed": 1, "missing": 3}
    assert faults(read('{"prediction": []}', ASKED[:0])) == {}


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        '{"prediction":',
        "[1,",
        "9",
        "[ ",
        '"\\',
        "60 0 1 1\n",
        "```json\n",
        '{"prediction": [[60, 0, 5, 5]]}',
        "\n",
        ",",
    ],
)
def test_hostile_texts_take_bounded_time(piece: str) -> None:
    started = time.perf_counter()
    for text in (piece * (4_000_000 // len(piece)), f'{{"prediction": [{piece * 300_000}'):
        assert len(read(text).status) == 3
    assert time.perf_counter() - started < 2
