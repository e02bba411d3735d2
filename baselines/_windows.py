"""Windows cut from training days: a history and the horizon after it, as long as those that are asked for."""

from __future__ import annotations

from bench.data.trajectories import Trajectories
from bench.data.world import Window

Span = tuple[int, int]


def windows(train: Trajectories, window: Window, most: int) -> list[tuple[Span, Span]]:
    """Cut (history, horizon) pairs as long as the window's, from the last training day backwards.

    Histories begin on the first training day at the earliest; they have at least half of the window's days.
    """
    found: list[tuple[Span, Span]] = []
    if not len(train):
        return found
    first, last = int(train.d.min()), int(train.d.max())
    while len(found) < most:
        begin = last - window.horizon_days + 1
        start = max(first, begin - window.history_days)
        if begin - start < max(1, window.history_days // 2):
            break
        found.append(((start, begin - 1), (begin, last)))
        last = begin - 1
    return found
