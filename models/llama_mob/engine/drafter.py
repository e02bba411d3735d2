"""Lossless drafts of answers: which numbers the model will say next, from the history and its answers so far.

No second model: earlier rows vote (see ``evidence``), with strengths that ``fit_drafter`` learned from logged answers
of a tuned Llama-3-8B. The model verifies every number, so that a bad draft costs time and never changes an answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.llama_mob.engine.evidence import DEPTHS, OFFSETS, SHAPES, FloatArray, IntArray, strengths, table_of
from models.llama_mob.engine.tree import PARENT, SLOT, TOKEN, Tree, grow

SHIPPED_FILE = Path(__file__).with_name("drafter.json")
ROOM = 4096  # nodes of the largest tree


@dataclass(frozen=True)
class Weights:
    """Log-strengths of votes, (evidence.SIZE,), and the power that turns a cell's share of votes into its chance."""

    logs: FloatArray
    power: float

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Read the tables that :meth:`as_text` wrote."""
        document = json.loads(path.read_text())
        tables = [np.asarray(document["log_strengths"][name], dtype=np.float64) for name in SHAPES]
        return cls(np.concatenate([table.ravel() for table in tables]), float(document["power"]))

    def as_text(self, about: str) -> str:
        """Return the weights as JSON, one table a line; ``about`` says what they were fitted on."""
        parts = zip(SHAPES.items(), np.split(self.logs, OFFSETS[1:-1]), strict=True)
        tables = ",\n".join(
            f"    {json.dumps(name)}: {json.dumps(np.round(part.reshape(shape), 3).tolist())}"
            for (name, shape), part in parts
        )
        power = round(self.power, 4)
        return f'{{\n  "about": {json.dumps(about)},\n  "power": {power},\n  "log_strengths": {{\n{tables}\n  }}\n}}\n'


@cache
def shipped() -> Weights:
    """Return the weights that ship with the project; read when first asked for, so that they can be fitted anew."""
    return Weights.read(SHIPPED_FILE)


class Drafter:
    """Guesses one user's next numbers.

    history: (rows, 4) of d, t, x, y, sorted by (d, t). queries: (n, 2) of d, t, sorted. is_off: days -> which are
    off-days. weights: the shipped ones if left out. threshold: a guess whose joint chance, with all guesses before it,
    is lower is not made.

    ``known`` grows from call to call: answers once known do not change.
    """

    def __init__(
        self,
        history: IntArray,
        queries: IntArray,
        is_off: Callable[[IntArray], npt.NDArray[np.bool_]],
        weights: Weights | None = None,
        *,
        threshold: float = 0.0,
    ) -> None:
        self._weights, self._threshold = weights or shipped(), threshold
        self._history, self._queries = len(history), len(queries)
        when = np.concatenate([history[:, :2], queries]).astype(np.int64)
        self._rows = table_of(when[:, 0], when[:, 1], np.asarray(is_off(when[:, 0])))
        places, rows = np.unique(history[:, 2:4], axis=0, return_inverse=True)
        self._codes = {(int(x), int(y)): code for code, (x, y) in enumerate(places)}
        self._xy = np.zeros((2, len(places) + self._queries + ROOM), dtype=np.int64)
        self._xy[:, : len(places)] = places.T
        self._cells = np.zeros(len(when), dtype=np.int64)
        self._cells[: self._history] = rows.ravel()
        self._strengths = np.empty((self._queries, len(when), DEPTHS), dtype=np.float32)
        self._known = self._weighed = 0

    def chain(self, at: int, x: int | None, known: IntArray, k: int) -> IntArray:
        """Return guesses for at most ``k`` slots from slot ``at`` on, each the likeliest after those before it.

        Slot 2i is the x of query i, slot 2i + 1 its y. x: that of query at // 2, where ``at`` is odd. known: answers to
        the queries before, (at // 2, 2).
        """
        return self._grow(at, x, known, k, branches=False).tokens

    def tree(self, at: int, x: int | None, known: IntArray, nodes: int) -> Tree:
        """Return at most ``nodes`` guesses from slot ``at`` on, the likeliest first; arguments as for :meth:`chain`."""
        return self._grow(at, x, known, nodes, branches=True)

    def _grow(self, at: int, x: int | None, known: IntArray, nodes: int, branches: bool) -> Tree:
        first = at // 2
        self._learn(known[:first])
        self._weigh(min(self._queries, (at + nodes) // 2 + 1))
        drafted = grow(
            self._cells,
            self._history,
            at,
            -1 if x is None else int(x),
            self._xy[0],
            self._xy[1],
            len(self._codes),
            self._strengths,
            self._weights.power,
            min(nodes, ROOM),
            branches,
            self._threshold,
        )
        return Tree(drafted[:, TOKEN], drafted[:, PARENT], drafted[:, SLOT])

    def _learn(self, known: IntArray) -> None:
        """Take in the answers that are new."""
        for row in range(self._known, len(known)):
            place = int(known[row, 0]), int(known[row, 1])
            code = self._codes.setdefault(place, len(self._codes))
            self._xy[:, code] = place
            self._cells[self._history + row] = code
        self._known = len(known)

    def _weigh(self, queries: int) -> None:
        """Work out the strengths of all rows for the queries up to the given one, once."""
        for query in range(self._weighed, queries):
            strengths(self._rows, self._history + query, self._history, self._weights.logs, self._strengths[query])
        self._weighed = max(self._weighed, queries)
