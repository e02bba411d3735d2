"""Conversation files as the paper's code publishes them: read and written, from trajectories and back.

A file is a JSON list of ``{"messages": [{"role", "content"}, ...], "uid"}``, or JSON lines of such objects: the
instruction (system), the question (user) and, for training, the answer (assistant). Questions are rows ``d t x y``,
with 999 999 for a cell asked for. Where no conversation has a uid, their numbers in the file (from 1) are the uids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.data.files.blocks import Points
from bench.data.files.dialect import opened
from bench.data.files.rows import COLUMNS, MASK, Rules, whole_number
from bench.data.trajectories import OK, Queries, Trajectories
from bench.data.world import Calendar, Grid, Window
from bench.errors import UserError
from bench.files import write_with
from models.llama_mob.base.layouts import MARKS
from models.llama_mob.prompts.formats import REASON, Layout, layout
from models.llama_mob.prompts.parse import read_answer
from models.llama_mob.prompts.questions import read_question
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import AnswerFormat, Instruction

ROLES = ("system", "user", "assistant")
_HALF = re.compile("[\ud800-\udfff]")
_REASON = re.compile(r'"reason":\s?"((?:[^"\\]|\\.)*)"|\AReason: (.*)\n')


@dataclass(frozen=True)
class Conversation:
    """One user's conversation; answer: None where the model is to be asked."""

    uid: int
    system: str
    question: str
    answer: str | None


def read_conversations(path: Path) -> list[Conversation]:
    """Read a file, with or without a byte order mark, in gzip or not. Raises UserError with the place of a fault."""
    items = _items(path)
    found = [_conversation(item, number, _place(path, number)) for number, item in enumerate(items, start=1)]
    named = [item.get("uid") is not None for item in items]
    if any(named) and not all(named):
        where = _place(path, named.index(False) + 1)
        raise UserError(f"{where}: has no uid, though others have; give every conversation a uid, or none")
    return found


def _place(path: Path, number: int) -> str:
    return f"{path}, conversation {number}"


def _items(path: Path) -> list[Any]:
    """Return the items of a JSON list, or of JSON lines."""
    with opened(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
        try:
            items = json.loads(text)
        except ValueError:
            if not text.lstrip().startswith("{"):
                raise
            items = [_item_of_line(line, n, path) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON file of conversations ({error})") from None
    items = [items] if isinstance(items, dict) and "messages" in items else items
    if not isinstance(items, list) or not items:
        raise UserError(f"{path}: must be a JSON list of conversations, with one at least")
    return items


def _item_of_line(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: is no JSON ({error}); give one conversation a line") from None


def write_conversations(path: Path, conversations: Iterable[Conversation]) -> int:
    """Write a file, one conversation at a time, whole or not at all; return how many there are."""
    written = 0

    def write(part: Path) -> None:
        nonlocal written
        with part.open("w", encoding="utf-8") as file:
            for written, conversation in enumerate(conversations, start=1):
                file.write(",\n" if written > 1 else "[\n")
                json.dump(_item(conversation), file, ensure_ascii=False)
            file.write("\n]\n" if written else "[]\n")

    write_with(path, write)
    return written


def conversations_of(points: Points, window: Window, template: Template, *, answered: bool) -> Iterator[Conversation]:
    """Yield a conversation for each user of one city who has rows in both parts of the window.

    answered: with the answer, about the horizon's visible rows; else about all of its rows, masked ones too.
    """
    seen, ahead = points.visible.days(*window.history), points.visible.days(*window.horizon)
    asked = ahead.queries()
    if not answered:
        asked = Queries.concat([asked, points.masked.days(*window.horizon)])
    for user in asked.users:
        history, queries, truth = seen.of(user), asked.of(user), ahead.of(user)
        if len(history):
            answer = template.layout.write(truth.d, truth.t, truth.x, truth.y) if answered else None
            yield Conversation(user[1], template.system, template.question(history, queries), answer)


def points_of(path: Path, city: str = "", grid: Grid = Grid()) -> Points:  # noqa: B008 (frozen)
    """Read a file's rows as a table: the questions' rows, with the answers' cells where they are.

    Raises UserError if a row is outside the grid, a user stands twice, or an answer is not what its question asks.
    """
    tables = []
    for number, conversation in enumerate(read_conversations(path), start=1):
        tables.append(_table(conversation, f"{path}, conversation {number} (uid {conversation.uid})", grid))
    rows = np.concatenate(tables)
    keys, counts = np.unique(rows[:, :3], axis=0, return_counts=True)
    if counts.max() > 1:
        uid, d, t = keys[counts > 1][0]
        raise UserError(
            f"{path}: uid {uid}, d {d}, t {t} stands twice; give each user one conversation, each time one row"
        )
    hidden = rows[:, 3] == MASK
    columns = dict(zip(COLUMNS, rows.T, strict=True)) | {"city": np.zeros(len(rows))}
    return Points(
        Trajectories.build((city,), **{name: column[~hidden] for name, column in columns.items()}),
        Queries.build((city,), **{name: columns[name][hidden] for name in Queries.columns()}),
    )


def paper_template(path: Path | None = None) -> Template:
    """Return the parts and the layout of the paper's conversations, in our words or in those of a file.

    Raises UserError where the file cannot be read.
    """
    if path is not None and not path.exists():
        raise UserError(f"{path}: cannot be read (there is no such file)")
    return Template.build(Instruction(answer="json", reason=True, template=path), Grid(), Calendar())


def template_of(parts: Instruction) -> Template:
    """Take instruction, question and layout of the answer from the file's first conversation.

    Where it holds no answer, the layout is the one that the settings name. Raises UserError if a file is of another
    make.
    """
    path = parts.template
    if path is None:
        raise ValueError("no conversation file is named")
    first = read_conversations(path)[0]
    lead, records = read_question(first.question, _place(path, 1))
    marks = [mark for mark in MARKS if mark in first.system + first.question]
    if marks:
        raise UserError(f"{path}: holds the chat's own mark {marks[0]}; give the messages' text alone")
    listed = bool((records[:, 2:] == MASK).all(axis=1).any())
    answer = layout(parts.answer, REASON if parts.reason else None)
    if first.answer is not None:
        answer = _layout_of(first.answer, path)
    return Template(first.system, lead, listed, answer)


def _layout_of(text: str, path: Path) -> Layout:
    """Find the layout in which an answer is written, with its own reason."""
    match = _REASON.search(text[:10_000])
    reason = (match[1] or match[2]) if match else None
    for answer in get_args(AnswerFormat):
        shape = layout(answer, reason)
        numbers = np.array(re.findall(r"[0-9]{1,9}", text.removeprefix(shape.begin)), np.int64)
        per = 4 if shape.keyed else 2
        if not len(numbers) or len(numbers) % per:
            continue
        rows = numbers.reshape(-1, per)
        keys = rows[:, :2] if per == 4 else np.zeros((len(rows), 2), np.int64)
        if shape.write(keys[:, 0], keys[:, 1], rows[:, -2], rows[:, -1]).strip() == text.strip():
            return shape
    known = ", ".join(f"`{name}`" for name in get_args(AnswerFormat))
    raise UserError(f"{path}: the answer of the first conversation is in none of the layouts {known}")


def _table(conversation: Conversation, where: str, grid: Grid) -> np.ndarray:
    """Return one conversation's rows, int64 (n, 5): uid, d, t, x, y; 999 999 where a cell is not known."""
    rows = read_question(conversation.question, where)[1]
    hidden = (rows[:, 2] == MASK) & (rows[:, 3] == MASK)
    if conversation.answer is not None:
        rows[hidden, 2:] = _answered(conversation.answer, rows[hidden, :2], where, grid)
    rows = np.insert(rows, 0, conversation.uid, axis=1)
    rules = Rules(grid, masked=True)
    if not rules.hold(dict(zip(COLUMNS, rows.T, strict=True))):
        for number, row in enumerate(rows.astype(str).tolist(), start=1):
            for fault in rules.faults(dict(zip(COLUMNS, row, strict=True))):
                raise UserError(f"{where}, row {number}: {fault}")
    return rows


def _answered(text: str, asked: np.ndarray, where: str, grid: Grid) -> np.ndarray:
    """Return the answer's cells, int16 (n, 2); it must answer each query, and no other."""
    readings = (read_answer(text, asked, keyed=keyed, grid=grid) for keyed in (True, False))
    reading = max(readings, key=lambda reading: int((reading.status == OK).sum()))
    wrong = {
        "not well formed": reading.malformed,
        "missing": reading.missing,
        "not asked for": reading.surplus,
        "outside the grid": reading.out_of_range,
        "answered twice": reading.duplicates,
    }
    faults = [f"{count} {what}" for what, count in wrong.items() if count]
    if faults:
        raise UserError(f"{where}: the answer does not fit the question: {', '.join(faults)}")
    return np.stack([reading.x, reading.y], axis=1)


def _conversation(item: Any, number: int, where: str) -> Conversation:
    """Check one item of a file; all its line ends become ``\\n``."""
    if not isinstance(item, dict) or not isinstance(item.get("messages"), list):
        raise UserError(f"{where}: must be an object with the keys messages and uid")
    messages = item["messages"]
    plain = all(isinstance(said, dict) and isinstance(said.get("content"), str) for said in messages)
    roles = tuple(said.get("role") for said in messages) if plain else ()
    if roles not in (ROLES, ROLES[:2]):
        raise UserError(f"{where}: messages must be of {', '.join(ROLES)}, in this order; the last may be left out")
    texts: Sequence[str] = [said["content"].replace("\r\n", "\n").replace("\r", "\n") for said in messages]
    if any(_HALF.search(text) for text in texts):
        raise UserError(f"{where}: holds half a character (a lone surrogate); write the text as UTF-8")
    uid = number if item.get("uid") is None else _uid(item["uid"], where)
    return Conversation(uid, texts[0], texts[1], texts[2] if len(texts) == 3 else None)


def _uid(value: Any, where: str) -> int:
    """Return a uid that may be written as 7, "7" or 7.0."""
    text = str(value).strip() if type(value) in (int, float, str) else ""
    uid = whole_number(text)
    if uid is None or not 0 <= uid < 2**31:
        raise UserError(f"{where}: uid must be a whole number from 0, not {str(value)[:40]!r}")
    return uid


def _item(conversation: Conversation) -> dict[str, Any]:
    """Return a conversation as the file holds it."""
    texts = (conversation.system, conversation.question, conversation.answer)
    messages = [{"role": role, "content": text} for role, text in zip(ROLES, texts, strict=True) if text is not None]
    return {"messages": messages, "uid": conversation.uid}
