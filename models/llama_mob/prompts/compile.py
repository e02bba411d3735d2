"""A prompt as token ids, and its answer as a template of ids with a slot for every unknown number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bench.data.trajectories import Queries, Trajectories
from bench.errors import UserError
from models.llama_mob.base.layouts import Turn
from models.llama_mob.base.tokens import NO_TOKEN, Tokens
from models.llama_mob.prompts.formats import PLACEHOLDER
from models.llama_mob.prompts.template import Template

UNKNOWN = -1


@dataclass(frozen=True)
class Compiled:
    """One user's prompt and answer template, int64 ids.

    prompt: what is read, up to the assistant's header; answer: ``UNKNOWN`` once for every x and y, the end-of-turn mark
    last; tables: the ids of each number as an x and as a y, (2, 1000), or (2, 1000, 3) with ``NO_TOKEN`` behind the
    digits of a short number; keyed: whether the answer repeats each d and t; told: how many of the prompt's tokens are
    solved examples, which stand in the prompts of all users.
    """

    prompt: np.ndarray
    answer: np.ndarray
    tables: np.ndarray
    keyed: bool = True
    told: int = 0

    @cached_property
    def slots(self) -> np.ndarray:
        """Positions of the unknown numbers in the answer: x and y of each query in turn, int64 (2n,)."""
        return np.flatnonzero(self.answer == UNKNOWN)

    @cached_property
    def fillers(self) -> list[np.ndarray]:
        """The known tokens before the first number, between numbers, and after the last: (2n + 1) arrays."""
        return [part[i > 0 :] for i, part in enumerate(np.split(self.answer, self.slots))]

    def span(self, slot: int, number: int) -> np.ndarray:
        """Return the ids that write a number in a slot."""
        return written(self.tables[slot % 2], number)

    def filled(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the answer's ids with the numbers in their slots."""
        parts = [self.fillers[0]]
        for slot, number in enumerate(np.stack([x, y], axis=1).ravel().tolist()):
            parts += [self.span(slot, number), self.fillers[slot + 1]]
        return np.concatenate(parts)

    def written_by(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return which slot each token of ``filled`` decides a number of, int64; -1: none.

        Where numbers are digits, the token after them is among those that decide: it says that no further digit comes.
        """
        parts = [np.full(len(self.fillers[0]), UNKNOWN)]
        for slot, number in enumerate(np.stack([x, y], axis=1).ravel().tolist()):
            own = len(self.span(slot, number)) + (self.tables.ndim > 2)
            whole = len(self.span(slot, number)) + len(self.fillers[slot + 1])
            parts.append(np.where(np.arange(whole) < own, slot, UNKNOWN))
        return np.concatenate(parts)


def written(table: np.ndarray, number: int) -> np.ndarray:
    """Return the ids that write a number, of a table as ``Compiled`` has two."""
    ids = np.atleast_1d(table[number])
    return ids[ids != NO_TOKEN]


def compile_prompt(
    template: Template, tokens: Tokens, history: Trajectories, queries: Queries, told: Sequence[Turn] = ()
) -> Compiled:
    """Compile one user's prompt; told: solved examples before the question.

    Raises UserError where a number of the answer is no token or digits of its own.
    """
    asked = template.prompt(history, queries, tokens.chat, told)
    prompt, prompt_ends = tokens.encode_with_ends(asked)
    examples = int((prompt_ends <= asked.rindex(template.question(history, queries))).sum()) if told else 0
    text, ends = template.layout.ends(queries.d, queries.t)
    answer, token_ends = tokens.encode_with_ends(text + tokens.chat.end)
    places = np.searchsorted(token_ends, ends)
    tables = np.stack([_table(tokens, answer, token_ends, places[axis::2], ends[axis::2]) for axis in (0, 1)])
    more = len(written(tables[0], PLACEHOLDER)) - 1
    answer[places - more] = UNKNOWN
    answer = np.delete(answer, (places[:, None] - np.arange(more)).ravel())
    compiled = Compiled(prompt, answer, tables, template.layout.keyed, examples)
    if more:
        _check_digits(compiled, template, tokens, queries)
    return compiled


def history_numbers(
    template: Template, tokens: Tokens, history: Trajectories, queries: Queries, told: Sequence[Turn] = ()
) -> npt.NDArray[np.bool_]:
    """Return which of the prompt's tokens decide an x or a y of the history, bool (prompt,).

    Where numbers are digits, the token after them is among those that decide, as in ``Compiled.written_by``.
    """
    text = template.prompt(history, queries, tokens.chat, told)
    _ids, token_ends = tokens.encode_with_ends(text)
    place = text.rindex(template.question(history, queries)) + len(template.lead)
    spans = []
    for d, t, *cell in zip(*(column.tolist() for column in (history.d, history.t, history.x, history.y)), strict=True):
        place += len(f"{d} {t} ")
        for number in cell:
            spans.append((place, place + len(str(number))))
            place = spans[-1][1] + 1
    if not spans:
        return np.zeros(len(token_ends), bool)
    begins, ends = np.array(spans).T
    number = np.searchsorted(begins, token_ends) - 1
    found: npt.NDArray[np.bool_] = (number >= 0) & (token_ends <= ends[number])
    return found if tokens.single else found | np.concatenate([[False], found[:-1]])


def _table(
    tokens: Tokens, answer: np.ndarray, token_ends: np.ndarray, places: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return the table whose ids stand at the placeholders, the same at each of them."""
    if not len(places):
        return tokens.tables[0]
    if np.array_equal(token_ends[places], ends):
        for table in tokens.tables:
            ids = written(table, PLACEHOLDER)
            if (answer[places[:, None] + np.arange(1 - len(ids), 1)] == ids).all():
                return table
    raise _uneven(tokens)


def _check_digits(compiled: Compiled, template: Template, tokens: Tokens, queries: Queries) -> None:
    """Raise UserError unless numbers of one and two digits, too, stand as the template has them."""
    x, y = np.resize([7, 42], len(queries)), np.resize([88, 5, 120], len(queries))
    text = template.layout.write(queries.d, queries.t, x, y) + tokens.chat.end
    if compiled.filled(x, y).tolist() != tokens.encode(text):
        raise _uneven(tokens)


def _uneven(tokens: Tokens) -> UserError:
    return UserError(
        f"{tokens.name}: splits the answer's numbers from their surroundings unevenly; take another format"
    )
