"""Made-up users for tests of metrics: random walks with gaps, and answers of several kinds to them."""

from __future__ import annotations

import numpy as np

from bench.data.trajectories import Trajectories


def walks(
    users: int, seed: int = 0, days: int = 15, points: tuple[int, int] = (1, 24), city: str = "A"
) -> Trajectories:
    """Users who walk about a home cell; every day has another number of points at other times."""
    rng = np.random.default_rng(seed)
    rows = []
    for uid in range(users):
        home = rng.integers(40, 160, size=2)
        for day in range(60, 60 + days):
            times = np.sort(rng.choice(48, size=rng.integers(*points, endpoint=True), replace=False))
            steps = rng.integers(-3, 4, size=(len(times), 2)) * (rng.random((len(times), 1)) < 0.5)
            cells = np.clip(home + np.cumsum(steps, axis=0), 1, 200)
            rows += [(uid, day, t, x, y) for t, (x, y) in zip(times, cells, strict=True)]
    uid, d, t, x, y = np.array(rows).T
    return Trajectories.build((city,), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)


def noisy(truth: Trajectories, seed: int = 1, spread: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """The truth with about half of its cells moved a little."""
    rng = np.random.default_rng(seed)
    moved = rng.integers(-spread, spread + 1, size=(2, len(truth))) * (rng.random(len(truth)) < 0.5)
    return np.clip(truth.x + moved[0], 1, 200), np.clip(truth.y + moved[1], 1, 200)


def constant(truth: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """Each user's first true cell, at all times."""
    first = np.repeat(truth.starts[:-1], np.diff(truth.starts))
    return truth.x[first], truth.y[first]


def shuffled(truth: Trajectories, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Each user's true cells in random order."""
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(np.arange(a, b)) for a, b in zip(truth.starts[:-1], truth.starts[1:], strict=True)]
    )
    return truth.x[order], truth.y[order]
