"""A prompt as token ids, and its answer as a template of ids with a slot for every unknown number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.data.trajectories import Queries, Trajectories
from bench.errors import UserError
from models.llama_mob.base.tokens import TURN_END, Tokens
from models.llama_mob.prompts.formats import PLACEHOLDER
from models.llama_mob.prompts.template import Template

UNKNOWN = -1


@dataclass(frozen=True)
class Compiled:
    """One user's prompt and answer template, int64 ids.

    prompt: what is read, up to the assistant's header; answer: ``UNKNOWN`` at every x and y, the end-of-turn mark last;
    tables: (2, 1000), the id of each number as an x and as a y; keyed: whether the answer repeats each d and t.
    """

    prompt: np.ndarray
    answer: np.ndarray
    tables: np.ndarray
    keyed: bool = True

    @cached_property
    def slots(self) -> np.ndarray:
        """Positions of the unknown numbers in the answer: x and y of each query in turn, int64 (2n,)."""
        return np.flatnonzero(self.answer == UNKNOWN)

    def filled(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the answer's ids with the numbers in their slots."""
        ids = self.answer.copy()
        ids[self.slots[0::2]] = self.tables[0, x]
        ids[self.slots[1::2]] = self.tables[1, y]
        return ids


def compile_prompt(template: Template, tokens: Tokens, history: Trajectories, queries: Queries) -> Compiled:
    """Compile one user's prompt. Raises UserError where a number of the answer is no token of its own."""
    prompt = np.array(tokens.encode(template.prompt(history, queries)), np.int64)
    text, ends = template.layout.ends(queries.d, queries.t)
    answer, token_ends = tokens.encode_with_ends(text + TURN_END)
    places = np.searchsorted(token_ends, ends)
    tables = np.stack([_table(tokens, answer, token_ends, places[axis::2], ends[axis::2]) for axis in (0, 1)])
    answer[places] = UNKNOWN
    return Compiled(prompt, answer, tables, template.layout.keyed)


def _table(
    tokens: Tokens, answer: np.ndarray, token_ends: np.ndarray, places: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return the table whose ids stand at the placeholders: bare or spaced numbers, the same at each of them."""
    if not len(places):
        return tokens.numbers
    if np.array_equal(token_ends[places], ends):
        for table in (tokens.numbers, tokens.spaced):
            if table is not None and (answer[places] == table[PLACEHOLDER]).all():
                return table
    raise UserError(f"{tokens.name}: splits the answer's numbers from their surroundings unevenly; take another format")
