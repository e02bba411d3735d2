"""What per-user statistics share: a user's distinct cells, and the most frequent cell of a group with a way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from bench.adapters.adapter import Settings
from bench.data.trajectories import Trajectories

Level = tuple[np.ndarray, np.ndarray]
Ties = Literal["first", "recent", "frequent"]


class ModeSettings(Settings):
    """Where a slot's most frequent cell is not clear."""

    reach: int = Field(2, ge=0, description="slots on either side to look at where the slot has no history")
    ties: Ties = Field("first", description="which of equals: the first seen, the most recent, the more frequent")


@dataclass(frozen=True)
class Places:
    """The distinct cells x, y (int64) of one user in the order of first sight, and the index of each history row."""

    x: np.ndarray
    y: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, history: Trajectories) -> Places:
        """Index the cells of one user's history."""
        cell = history.x.astype(np.int64) << 32 | history.y.astype(np.int64)
        values, first, row = np.unique(cell, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return cls(values[order] >> 32, values[order] & 0xFFFFFFFF, rank[row])

    def __len__(self) -> int:
        return len(self.x)

    def at(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the places with these indices."""
        return self.x[index], self.y[index]


def most_frequent(places: Places, levels: Sequence[Level], ties: Ties = "first") -> np.ndarray:
    """Return a place for each query: the most frequent one of its group.

    levels: pairs (group of each history row, group of each query), tried in turn until one knows the query's group.
    The first of a pair has shape (rows,) or (rows, g) where a row stands in g groups. Unknown in all levels: the most
    frequent place of all. ties: which of equally frequent places, by the order within the group.
    """
    queries = len(levels[0][1])
    everything = (np.zeros(len(places.row), np.int64), np.zeros(queries, np.int64))
    answer = np.full(queries, -1)
    for seen, asked in (*levels, everything):
        if (answer >= 0).all():
            break
        known, best = _modes(seen, places, ties)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        found = (answer < 0) & (known[at] == asked)
        answer[found] = best[at[found]]
    return answer


def _modes(group: np.ndarray, places: Places, ties: Ties) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups, sorted, and the most frequent place of each."""
    row = np.broadcast_to(places.row.reshape(-1, *[1] * (group.ndim - 1)), group.shape)
    pair = (group.astype(np.int64) * len(places) + row).ravel()
    if ties == "recent":
        pair = pair[::-1]
    values, first, counts = np.unique(pair, return_index=True, return_counts=True)
    owner, place = np.divmod(values, len(places))
    of_all = np.bincount(places.row)[place] if ties == "frequent" else np.zeros(len(place))
    order = np.lexsort((first, -of_all, -counts, owner))
    known, start = np.unique(owner[order], return_index=True)
    return known, place[order][start]


def slots_around(slot: np.ndarray, reach: int) -> np.ndarray:
    """Return the slots within ``reach`` of each row's slot, shape (rows, 2 * reach + 1); midnight is a border."""
    return slot[:, None].astype(np.int64) + np.arange(-reach, reach + 1)
