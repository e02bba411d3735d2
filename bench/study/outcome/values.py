"""What a city is worth: exact Shapley values, and what a city adds to another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import factorial

import numpy as np

Worth = Mapping[frozenset[str], np.ndarray]  # set of cities -> its score, or samples of it


def subsets(players: Sequence[str]) -> Iterator[frozenset[str]]:
    """Yield every subset, the empty one first."""
    for size in range(len(players) + 1):
        yield from map(frozenset, itertools.combinations(players, size))


def shapley(worth: Worth, players: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each player's Shapley value; they add up to the score of all players minus that of none.

    The mean over all orders of arrival of what a player adds on arrival: Shapley, A Value for n-Person Games (1953).
    worth: the scores of all subsets, the empty one too (numbers or arrays of one shape).
    """
    n = len(players)
    found = {}
    for player in players:
        others = [other for other in players if other != player]
        found[player] = sum(
            (
                factorial(len(before))
                * factorial(n - len(before) - 1)
                / factorial(n)
                * (worth[before | {player}] - worth[before])
                for before in subsets(others)
            ),
            start=np.zeros(()),
        )
    return found


def marginal(worth: Worth, players: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Return what a city adds to another alone: (city, given) -> score of both minus that of ``given``.

    (city, city) is what the city adds to nothing.
    """
    none: frozenset[str] = frozenset()
    found = {}
    for city, given in itertools.product(players, players):
        base = none if city == given else frozenset({given})
        found[city, given] = worth[base | {city}] - worth[base]
    return found
