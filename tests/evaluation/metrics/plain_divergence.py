"""The divergences of MoveSim in plain Python, day by day and user by user: what the counted ones must equal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

Day = list[tuple[int, tuple[int, int]]]  # (slot, cell) in time order
People = Sequence[Sequence[Day]]


def js(first: Counter, second: Counter) -> float:
    """Jensen-Shannon divergence of two histograms, natural logarithm."""
    one, two = sum(first.values()), sum(second.values())
    total = 0.0
    for key in set(first) | set(second):
        p, q = first[key] / one, second[key] / two
        m = (p + q) / 2
        total += (p * math.log(p / m) if p else 0.0) / 2 + (q * math.log(q / m) if q else 0.0) / 2
    return total


def days(people: People) -> Iterable[Day]:
    return (day for user in people for day in user)


def distances(people: People, cell_km: float) -> Counter:
    found: Counter = Counter()
    for day in days(people):
        for (_, a), (_, b) in pairwise(day):
            found[int(math.dist(a, b) * cell_km + 1e-9)] += 1
    return found


def gyrations(people: People, cell_km: float) -> Counter:
    found: Counter = Counter()
    for day in days(people):
        cells = [cell for _, cell in day]
        middle = [sum(part) / len(cells) for part in zip(*cells, strict=True)]
        found[int(math.sqrt(sum(math.dist(cell, middle) ** 2 for cell in cells) / len(cells)) * cell_km + 1e-9)] += 1
    return found


def durations(people: People) -> Counter:
    found: Counter = Counter()
    for day in days(people):
        first = day[0][0]
        for (slot, cell), after in zip(day, [*day[1:], (None, None)], strict=True):
            if after[1] != cell:
                found[slot - first] += 1
                first = after[0]  # type: ignore[assignment]
    return found


def places(people: People) -> Counter:
    return Counter(len({cell for _, cell in day}) for day in days(people))


def g_rank(people: People) -> Counter:
    visits = Counter(cell for day in days(people) for _, cell in day)
    return Counter({rank: count for rank, (_, count) in enumerate(visits.most_common(100))})


def i_rank(people: People) -> Counter:
    total: Counter = Counter()
    for user in people:
        visits = Counter(cell for day in user for _, cell in day)
        for rank, (_, count) in enumerate(visits.most_common(100)):
            total[rank] += count / sum(visits.values())  # type: ignore[assignment]
    return total


def divergences(said: People, true: People, cell_km: float) -> dict[str, float]:
    """All six."""
    return {
        "jsd_distance@v1": js(distances(said, cell_km), distances(true, cell_km)),
        "jsd_gyration@v1": js(gyrations(said, cell_km), gyrations(true, cell_km)),
        "jsd_duration@v1": js(durations(said), durations(true)),
        "jsd_places@v1": js(places(said), places(true)),
        "jsd_g_rank@v1": js(g_rank(said), g_rank(true)),
        "jsd_i_rank@v1": js(i_rank(said), i_rank(true)),
    }
