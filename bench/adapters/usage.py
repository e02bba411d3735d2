"""What models report about their predictions (Adapter.usage), combined over calls and cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SMALLEST = "smallest_"  # keys that begin so are never summed: of several the smallest counts
USERS = "users"


def total(calls: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum the usage of several calls, key by key; keys that begin with ``smallest_`` keep the smallest value."""
    found: dict[str, float] = {}
    for call in calls:
        for name, value in call.items():
            if name.startswith(SMALLEST):
                found[name] = min(found.get(name, value), value)
            else:
                found[name] = found.get(name, 0.0) + value
    return {name: float(value) for name, value in found.items()}


def per_trajectory(calls: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Divide the usage of several calls by their users; empty if no user was counted."""
    found = total(calls)
    users = found.pop(USERS, 0.0)
    if not users:
        return {}
    return {name: value if name.startswith(SMALLEST) else value / users for name, value in found.items()}


def mean(cases: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average usage per trajectory over cases; keys that begin with ``smallest_`` keep the smallest value."""
    known = [case for case in cases if case]
    return per_trajectory({**case, USERS: 1.0} for case in known)
