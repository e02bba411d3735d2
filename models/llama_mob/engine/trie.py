"""Numbers as a trie of tokens: from scores after its nodes to the log-probability of every number.

A number is one token (a trie of a root alone) or digits. At each node the model chooses among the digits that lead on
to a number of 1..size and, where a number is whole there, the token that stands after it in the answer. A number's
probability is the product of the choices on its way; where only one choice is left, nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.llama_mob.prompts.compile import written

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]
END = -1  # in place of the token that stands after a number


@dataclass(frozen=True)
class Trie:
    """The numbers 1..size.

    spans: the ids of each number. nodes: the beginnings of numbers after which there is a choice, or a choice further
    on; the root, which is empty, comes first, and parents before children. choices: int64 (nodes, most), the ids to
    choose from after each, padded with the first; there: bool, which of these are not padding. steps: int64 (size,
    depth), the choices that make each number, as flat indices into ``choices``; one behind the last is no choice.
    """

    spans: tuple[tuple[int, ...], ...]
    nodes: tuple[tuple[int, ...], ...]
    choices: IntArray
    there: npt.NDArray[np.bool_]
    steps: IntArray

    @classmethod
    def of(cls, table: IntArray, size: int) -> Trie:
        """Return the trie of the numbers 1..size of a table as ``Compiled`` has two."""
        spans = tuple(tuple(written(table, number).tolist()) for number in range(1, size + 1))
        children: dict[tuple[int, ...], list[int]] = {}
        for span in spans:
            for depth, token in enumerate((*span, END)):
                found = children.setdefault(span[:depth], [])
                if token not in found:
                    found.append(token)
        asked = {node[:depth] for node, of in children.items() if len(of) > 1 for depth in range(len(node) + 1)}
        nodes = tuple(sorted(asked | {()}, key=lambda node: (len(node), node)))
        index = {node: i for i, node in enumerate(nodes)}
        most = max(len(children[node]) for node in nodes)
        choices, there = np.zeros((len(nodes), most), np.int64), np.zeros((len(nodes), most), bool)
        for node, i in index.items():
            of = children[node]
            choices[i], there[i, : len(of)] = of + of[:1] * (most - len(of)), True
        steps = np.full((size, max(map(len, spans)) + 1), len(nodes) * most)
        for number, span in enumerate(spans):
            for depth, token in enumerate((*span, END)):
                if span[:depth] in index:
                    steps[number, depth] = index[span[:depth]] * most + children[span[:depth]].index(token)
        return cls(spans, nodes, choices, there, steps)

    def columns(self, ids: IntArray) -> IntArray:
        """Return where the choices stand among sorted ids; ``END`` stays."""
        return np.where(self.choices == END, END, np.searchsorted(ids, self.choices))

    def numbers(
        self, scores: FloatArray, asked: Sequence[int], columns: IntArray, end: int
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return the log-probability of each number, (size,), and which are exact.

        scores: (n, ids) after the nodes ``asked``; end: the column of the token that stands after the number. Where
        nodes on a number's way were not asked, what is returned is the most that it can have. Of a root alone the
        scores themselves are returned.
        """
        if len(self.nodes) == 1:
            return scores[0, columns[0, self.steps[:, 0]]], np.ones(len(self.steps), bool)
        rows = np.asarray(asked)
        at = np.where(columns[rows] == END, end, columns[rows])
        found = np.where(self.there[rows], np.take_along_axis(scores, at, axis=1).astype(np.float64), -np.inf)
        found -= found.max(axis=1, keepdims=True)
        logs, known = np.zeros(self.choices.size + 1), np.zeros(self.choices.size + 1, bool)
        most = self.choices.shape[1]
        logs[:-1].reshape(-1, most)[rows] = found - np.log(np.exp(found).sum(axis=1, keepdims=True))
        known[:-1].reshape(-1, most)[rows] = True
        known[-1] = True
        exact: npt.NDArray[np.bool_] = np.logical_and.reduce(known[self.steps], axis=1)
        return logs[self.steps].sum(axis=1), exact
