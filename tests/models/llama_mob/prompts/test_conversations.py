from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.files.blocks import Points
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar, Grid, Window
from bench.errors import UserError
from models.llama_mob.prompts.conversations import (
    Conversation,
    conversations_of,
    paper_template,
    points_of,
    read_conversations,
    write_conversations,
)
from models.llama_mob.prompts.formats import layout
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import Instruction

WINDOW = Window((0, 9), (10, 14))
QUESTION = "Say where.\n0 5 7 8\n0 6 7 9\n10 5 999 999\n11 6 999 999"
ANSWER = layout("json", "Habit.").write(*np.array([[10, 5, 7, 8], [11, 6, 7, 9]]).T)


def item(question: str = QUESTION, answer: str | None = ANSWER, uid: Any = 4) -> dict[str, Any]:
    said = {"system": "Guess.", "user": question, "assistant": answer}
    return {"messages": [{"role": r, "content": c} for r, c in said.items() if c is not None], "uid": uid}


def save(folder: Path, *items: Any) -> Path:
    path = folder / "talk.json"
    path.write_text(json.dumps(list(items)), encoding="utf-8")
    return path


def people(seed: int, masked: bool) -> Points:
    """Three users of 15 days; the last days of one may be masked."""
    rng = np.random.default_rng(seed)
    keys = np.array([(u, d, t) for u in (1, 2, 5) for d in range(15) for t in range(48)])
    keys = keys[np.sort(rng.choice(len(keys), 150, replace=False))]
    columns = {"city": np.zeros(len(keys)), **dict(zip(("uid", "d", "t"), keys.T, strict=True))}
    cells = {name: rng.integers(1, 201, len(keys)) for name in "xy"}
    hidden = (keys[:, 0] == 5) & (keys[:, 1] >= 10) & masked
    return Points(
        Trajectories.build(("",), **{n: c[~hidden] for n, c in (columns | cells).items()}),
        Queries.build(("",), **{n: c[hidden] for n, c in columns.items()}),
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 99))
def test_rows_come_back_from_conversations(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path, points = tmp_path_factory.mktemp("talk") / "talk.json", people(seed, masked=False)
    assert write_conversations(path, conversations_of(points, WINDOW, paper_template(), answered=True)) == 3
    back = points_of(path, "")
    assert back.visible.fingerprint() == points.visible.fingerprint()
    assert not len(back.masked)


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 99))
def test_rows_come_back_however_the_file_is_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    points = people(seed, masked=True)
    items = []
    for one in conversations_of(points, WINDOW, paper_template(), answered=False):
        lead, *lines = one.question.split("\n")
        for i in data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=5)):
            change = data.draw(st.sampled_from(["{} ", " {}", "{}.0", "\t{}\t", "{}\n", "{}\n  "]))
            lines[i] = change.format(lines[i])
        end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
        said = end.join([lead, *lines]).replace("\n", end) if end == "\r" else end.join([lead, *lines])
        items.append(item(said, None, data.draw(st.sampled_from([one.uid, str(one.uid), float(one.uid)]))))
    lines_of_json = data.draw(st.booleans())
    text = "\n".join(map(json.dumps, items)) if lines_of_json else json.dumps(items, indent=1)
    content = text.encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    path = tmp_path_factory.mktemp("talk") / "talk.json"
    path.write_bytes(gzip.compress(content, 1) if data.draw(st.booleans()) else content)
    back = points_of(path)
    assert back.visible.fingerprint() == points.visible.days(0, 9).fingerprint()
    everything = Queries.concat([points.visible.queries(), points.masked])
    assert back.masked.fingerprint() == everything.days(10, 14).fingerprint()


ROWS_OF_NUMBERS = ["1 10 101", "1 10 101 121 5", "1 10 101.5 121", "1,10,101,121", "1 10 nan nan"]


@pytest.mark.parametrize("place", range(1, 6))
@pytest.mark.parametrize("line", [*ROWS_OF_NUMBERS, "1 10 x 121", "Thank you."])
def test_a_line_among_the_rows_is_a_row_or_a_fault(tmp_path: Path, place: int, line: str) -> None:
    lines = QUESTION.split("\n")
    lines.insert(place, line)
    path = save(tmp_path, item("\n".join(lines), None))
    if place == 1 and line not in ROWS_OF_NUMBERS:  # words before the first row lead it in
        assert len(points_of(path).visible) + len(points_of(path).masked) == 4
        return
    with pytest.raises(UserError, match=rf"line {place + 1} of the question: '{line}' is no row d t x y"):
        points_of(path)


def test_uids_are_given_to_all_or_to_none(tmp_path: Path) -> None:
    nameless = {"messages": item()["messages"]}
    assert [one.uid for one in read_conversations(save(tmp_path, nameless, nameless | {"uid": None}))] == [1, 2]
    with pytest.raises(UserError, match="conversation 2: has no uid, though others have"):
        read_conversations(save(tmp_path, item(uid="7"), nameless))


def test_a_broken_line_of_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps(item()) + "\n\n{]\n")
    with pytest.raises(UserError, match="line 3: is no JSON"):
        read_conversations(path)


def test_questions_ask_for_masked_rows_and_answers_hold_visible_ones(tmp_path: Path) -> None:
    points = people(0, masked=True)
    asking = list(conversations_of(points, WINDOW, paper_template(), answered=False))
    assert [one.uid for one in asking] == [1, 2, 5]
    assert {one.answer for one in asking} == {None}
    write_conversations(tmp_path / "ask.json", asking)
    back = points_of(tmp_path / "ask.json", "")
    assert back.visible.fingerprint() == points.visible.days(0, 9).fingerprint()
    everything = Queries.concat([points.visible.queries(), points.masked])
    assert back.masked.fingerprint() == everything.days(10, 14).fingerprint()
    assert [one.uid for one in conversations_of(points, WINDOW, paper_template(), answered=True)] == [1, 2]


def test_who_has_no_history_or_no_horizon_is_left_out() -> None:
    columns = {"city": np.zeros(4), "uid": [1, 1, 2, 3], "d": [0, 12, 3, 11], "t": np.zeros(4)}
    rows = Trajectories.build(("",), **columns, x=np.full(4, 5), y=np.full(4, 6))
    points = Points(rows, Queries.empty(("",)))
    assert [one.uid for one in conversations_of(points, WINDOW, paper_template(), answered=True)] == [1]


def test_a_file_has_the_layout_of_the_published_ones(tmp_path: Path) -> None:
    one = Conversation(7, "Be brief.", "0 1 5 6\n10 1 999 999", "10 1 5 6\n")
    assert write_conversations(tmp_path / "a.json", [one, one]) == 2
    said = [("system", "Be brief."), ("user", "0 1 5 6\n10 1 999 999"), ("assistant", "10 1 5 6\n")]
    plain = {"messages": [{"role": role, "content": text} for role, text in said], "uid": 7}
    assert json.loads((tmp_path / "a.json").read_text()) == [plain, plain]
    assert read_conversations(tmp_path / "a.json") == [one, one]


def test_a_template_takes_words_and_layout_of_a_file(tmp_path: Path) -> None:
    path = save(tmp_path, item())
    template = Template.build(Instruction(template=path), Grid(), Calendar())
    assert (template.system, template.lead, template.listed) == ("Guess.", "Say where.\n", True)
    points = points_of(path, "")
    again = conversations_of(points, WINDOW, template, answered=True)
    write_conversations(tmp_path / "again.json", again)
    assert json.loads((tmp_path / "again.json").read_text()) == [item()]


@pytest.mark.parametrize("form", ["json", "minified", "d t x y", "x y"])
@pytest.mark.parametrize("reason", [None, "A quiet person."])
def test_a_template_knows_each_layout(tmp_path: Path, form: Any, reason: str | None) -> None:
    rows = np.array([[10, 5, 7, 8], [11, 6, 7, 9]])
    path = save(tmp_path, item(answer=layout(form, reason).write(*rows.T)))
    template = Template.build(Instruction(template=path), Grid(), Calendar())
    assert template.layout == layout(form, reason)
    assert points_of(path, "").visible.x.tolist() == [7, 7, 7, 7]


def test_without_an_answer_the_settings_name_the_layout(tmp_path: Path) -> None:
    path = save(tmp_path, item(answer=None))
    template = Template.build(Instruction(template=path, answer="minified"), Grid(), Calendar())
    assert template.layout == layout("minified", None)
    assert len(points_of(path, "").masked) == 2


@pytest.mark.parametrize(
    ("question", "answer", "message"),
    [
        ("Nothing here.", ANSWER, "holds no rows d t x y"),
        (QUESTION + "\nThank you.", ANSWER, "line 6 of the question: 'Thank you.' is no row d t x y"),
        ("<|eot_id|>\n" + QUESTION, ANSWER, r"the chat's own mark <\|eot_id\|>"),
        (QUESTION, "At home, I think.", "in none of the layouts `json`"),
        (QUESTION, ANSWER.replace("10", "9" * 30), "in none of the layouts"),
    ],
)
def test_a_file_of_another_make_is_no_template(tmp_path: Path, question: str, answer: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Template.build(Instruction(template=save(tmp_path, item(question, answer))), Grid(), Calendar())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON file"),
        ("[" * 100_000, "is no JSON file"),
        ("{}", "must be a JSON list"),
        ("[]", "must be a JSON list"),
        ("[3]", "conversation 1: must be an object"),
        ('[{"messages": 3, "uid": 1}]', "conversation 1: must be an object"),
        (json.dumps([item(), item(uid="x")]), "conversation 2: uid must be"),
        (json.dumps([item(uid=True)]), "conversation 1: uid must be"),
        (json.dumps([{"messages": [{"role": "user", "content": "a"}], "uid": 1}]), "messages must be of system"),
        (json.dumps([{"messages": [["user", "a"]], "uid": 1}]), "messages must be of system"),
        (json.dumps([item("\ud800\n" + QUESTION)]), "conversation 1: holds half a character"),
        (json.dumps([item("What now?")]), r"conversation 1 \(uid 4\): the question holds no rows"),
        (json.dumps([item("0 5 7 8\n0 5 201 9", None)]), "row 2: x = 201"),
        (json.dumps([item("0 5 7 8\n0 5 7 9", None)]), "uid 4, d 0, t 5 stands twice"),
        (json.dumps([item(), item()]), "d 0, t 5 stands twice; give each user one conversation"),
        (json.dumps([item(answer=ANSWER[:-50])]), "does not fit the question: 1 not well formed, 1 missing"),
        (json.dumps([item(answer='{"prediction": [[10, 5, 7, 0], [11, 6, 7, 9]]}')]), "1 outside the grid"),
    ],
)
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "talk.json").write_text(text)
    with pytest.raises(UserError, match=message) as told:
        points_of(tmp_path / "talk.json", "")
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_conversations(tmp_path / "none.json")


def test_the_published_conversation_is_written_again_letter_by_letter(published: Path, tmp_path: Path) -> None:
    template = paper_template(published)
    points = points_of(published, "")
    write_conversations(tmp_path / "again.json", conversations_of(points, Window(), template, answered=True))
    assert read_conversations(tmp_path / "again.json") == read_conversations(published)
