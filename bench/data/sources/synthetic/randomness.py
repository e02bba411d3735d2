"""Random numbers that are the same on every machine: SplitMix64 and plain arithmetic, no libm.

Python's, numpy's and libm's exp and log differ in the last bit between processors; here only + - * / sqrt decide,
which IEEE 754 rounds alike everywhere. A stream is a ``uint64`` array of length 1 that every draw moves on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


# for what only compiled code calls: without the wrappers for Python it compiles in half the time
compiled: Callable[..., Any] = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]


def cached_njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the GIL and keep the result on disk where a folder can be written.

    The hash of all parts of the simulation stands in the name: numba's cache sees changes of the calling file alone.
    """
    parts = sorted(Path(__file__).parent.glob("[!_]*.py"))
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    function.__qualname__ = f"{function.__name__}_{digest[:12]}"
    try:
        return njit(nogil=True, cache=True)(function)
    except (RuntimeError, OSError):
        return njit(nogil=True)(function)


@compiled
def _scramble(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@compiled
def stream(seed: int, city: int, uid: int) -> np.ndarray:
    """Return the stream of one user (uid >= 0) or of the city itself (uid = -1)."""
    state = np.empty(1, np.uint64)
    z = _scramble(np.uint64(seed) + _GOLDEN)
    z = _scramble(z ^ (np.uint64(city) * _MIX1 + _GOLDEN))
    state[0] = _scramble(z ^ (np.uint64(uid + 1) * _MIX2 + _GOLDEN))
    return state


@compiled
def uniform(state: np.ndarray) -> float:
    """Draw from [0, 1). Steele et al. 2014, "Fast splittable pseudorandom number generators"."""
    state[0] += _GOLDEN
    return float(_scramble(state[0]) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled
def normal(state: np.ndarray) -> float:
    """Draw a nearly normal number: the sum of six uniforms (Irwin-Hall), variance 1, within +-4.25."""
    total = -3.0
    for _ in range(6):
        total += uniform(state)
    return total * 1.4142135623730951


@compiled
def exp(x: float) -> float:
    """Return e**x for |x| < 8 to about 1e-9, by plain arithmetic: a short series for x / 256, squared eight times."""
    y = x / 256.0
    e = 1.0 + y * (1.0 + y / 2.0 * (1.0 + y / 3.0 * (1.0 + y / 4.0)))
    for _ in range(8):
        e *= e
    return e


@compiled
def lognormal(state: np.ndarray, median: float, sigma: float) -> float:
    """Draw a positive number with this median, whose log has deviation sigma."""
    return median * exp(sigma * normal(state))


@compiled
def heavy_tail(state: np.ndarray, scale: float, longest: float) -> float:
    """Draw a distance with density ~ (r + scale)**-2, at most ``longest``; without that limit its median is scale."""
    least = scale / (scale + longest)
    return scale * (1.0 / (least + (1.0 - least) * uniform(state)) - 1.0)


@compiled
def direction(state: np.ndarray) -> tuple[float, float]:
    """Draw a unit vector, by rejection from the square."""
    while True:
        x, y = 2.0 * uniform(state) - 1.0, 2.0 * uniform(state) - 1.0
        r = x * x + y * y
        if 0.0001 < r <= 1.0:
            r = np.sqrt(r)
            return x / r, y / r


@cached_njit
def uniforms(seed: int, city: int, count: int) -> np.ndarray:
    """Return the first ``count`` draws from [0, 1) of the city's own stream."""
    state = stream(seed, city, -1)
    return np.array([uniform(state) for _ in range(count)])
