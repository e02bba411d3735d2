"""Choosing a number from scores: the likeliest, the nearest, or a sample whose noise hangs on user and slot alone."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
BETA = 0.5  # of GEO-BLEU's proximity exp(-BETA * distance in cells)


class Choice:
    """How one user's numbers are chosen from their scores.

    Sampling adds Gumbel noise to scores / temperature and takes the best, which draws from the softmax (Gumbel 1954;
    Maddison et al. 2014). The noise of slot s is row s of a stream of its own for the seed and the task's key, so that
    a sample is the same in every mode, batch and order. temperature 0: the best score, no noise; ``nearest``: the
    number whose expected proximity to the true one is highest, on its own axis (minimum Bayes risk; Kumar and Byrne
    2004). top_p: the smallest set of numbers that has this share, as Holtzman et al. 2020 (arXiv 1904.09751) have it.
    """

    def __init__(
        self,
        seed: int,
        key: tuple[str | int, ...],
        slots: int,
        width: int,
        temperature: float,
        top_p: float,
        nearest: bool = False,
    ) -> None:
        self._temperature, self._top_p, self._nearest = temperature, top_p, nearest
        self._noise = _gumbel(seed, key, slots, width) if temperature > 0 else None

    @property
    def greedy(self) -> bool:
        """Whether it is the best score that counts, whatever the others are."""
        return self._noise is None and not self._nearest

    def pick(self, slot: int, scores: FloatArray) -> tuple[int, float]:
        """Return which of the ``scores`` (n,) is chosen at a slot, and by how much it leads the second.

        The lead is one of what is compared: scores, scaled ones with noise, or expected proximities.
        """
        if self._noise is not None:
            scaled = scores.astype(np.float64) / self._temperature
            if self._top_p < 1:
                scaled[~nucleus(scaled, self._top_p)] = -np.inf
            scores = scaled + self._noise[slot, : len(scaled)]
        elif self._nearest:
            scores = expected_proximity(scores)
        best = int(scores.argmax())
        if len(scores) == 1:
            return best, float("inf")
        return best, float(scores[best] - np.partition(scores, -2)[-2])


def check_finite(finite: bool) -> None:
    """Raise FloatingPointError unless all scores are finite that a number is chosen by."""
    if not finite:
        raise FloatingPointError(
            "the model's scores are not finite: its weights are broken, or its numbers outgrow their format (set "
            "precision: float32)"
        )


def expected_proximity(scores: FloatArray) -> FloatArray:
    """Return the expected proximity of each number to one drawn from the softmax of ``scores`` (..., n), float64."""
    odds = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    found: FloatArray = odds / odds.sum(axis=-1, keepdims=True) @ _proximity(scores.shape[-1])
    return found


@lru_cache(maxsize=8)
def _proximity(numbers: int) -> FloatArray:
    index = np.arange(numbers)
    return np.exp(-BETA * np.abs(index[:, None] - index))


def nucleus(scores: FloatArray, top_p: float) -> npt.NDArray[np.bool_]:
    """Return which numbers make the smallest set of softmax probability ``top_p`` or more, (n,)."""
    odds = np.exp(scores - scores.max())
    order = np.argsort(-odds, kind="stable")
    before = np.cumsum(odds[order]) - odds[order]
    kept = np.zeros(len(odds), bool)
    kept[order] = before < top_p * odds.sum()
    return kept


def _gumbel(seed: int, key: tuple[str | int, ...], slots: int, width: int) -> FloatArray:
    """Return a user's noise, (slots, width); its first rows do not change when there are more slots."""
    text = "\x00".join(str(part) for part in (seed, *key))
    counter = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=counter)).gumbel(size=(slots, width))
