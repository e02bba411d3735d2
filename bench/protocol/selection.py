"""Which users have a role: numbers, all, the last ones, or listed uids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """Base of a protocol's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(Part):
    """Which users of a role: all, the first n in hash order (``count``), n over all training cities (``total``), the
    n highest uids (``last``), or listed ones (``uids``: ranges by city, "" standing for every city).

    YAML: ``400``, ``all``, ``{total: 400}``, ``{last: 3000}``, ``{uids: "17600-17699, 18000"}``,
    ``{uids: {B: "17600-17699", C: "13600-13699"}}``.
    """

    kind: Literal["all", "count", "total", "last", "uids"]
    n: int = 0
    uids: dict[str, tuple[tuple[int, int], ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, Selection):
            return value
        if value == "all":
            return {"kind": "all"}
        if isinstance(value, int) and not isinstance(value, bool):
            return {"kind": "count", "n": _whole(value, 0)}
        if isinstance(value, dict) and len(value) == 1:
            kind, inner = next(iter(value.items()))
            if kind in ("last", "total"):
                return {"kind": kind, "n": _whole(inner, 1)}
            if kind == "uids":
                by_city = inner if isinstance(inner, dict) else {"": inner}
                return {"kind": "uids", "uids": {city: _ranges(listed) for city, listed in by_city.items()}}
        forms = "a number, all, {total: N}, {last: N} or {uids: 'FIRST-LAST, ...'}"
        raise ValueError(f"users are chosen by {forms}, not {value!r}")

    def plain(self) -> Any:
        """Return it as YAML has it."""
        if self.kind == "uids":
            spans = {city: ", ".join(f"{first}-{last}" for first, last in named) for city, named in self.uids.items()}
            return {"uids": spans.get("", spans) if list(spans) == [""] else spans}
        return {"all": "all", "count": self.n}.get(self.kind, {self.kind: self.n})

    def listed(self, city: str) -> tuple[tuple[int, int], ...]:
        """Return the ranges (first, last) of uids listed for a city."""
        return _joined((*self.uids.get("", ()), *self.uids.get(city, ())))

    def __str__(self) -> str:
        if self.kind == "uids":
            spans = ((c, ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in r)) for c, r in self.uids.items())
            return "uids " + "; ".join(f"{city} {span}".strip() for city, span in spans)
        return {"all": "all", "count": str(self.n)}.get(self.kind, f"{self.kind} {self.n}")


def _whole(value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"a whole number of users >= {least} is needed, not {value!r}")
    return value


def _ranges(listed: Any) -> tuple[tuple[int, int], ...]:
    """Turn 7, "3-5, 9" or a list of such into sorted ranges."""
    found: list[tuple[int, int]] = []
    for item in listed if isinstance(listed, list | tuple) else [listed]:
        pieces = [item] if isinstance(item, int) and not isinstance(item, bool) else str(item).split(",")
        for piece in pieces:
            match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(piece))
            if not match:
                raise ValueError(f"uids are written like '17600-17699, 18000', not {piece!r}")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                raise ValueError(f"the range of uids {first}-{last} runs backwards")
            found.append((first, last))
    return _joined(found)


def _joined(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sort ranges and join those that touch, so that their lengths add up to the number of users."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def refuse_overlap(roles: Mapping[str, Selection]) -> None:
    """Raise ValueError if a listed user has two roles."""
    listed = [
        (role, city, span) for role, chosen in roles.items() for city, spans in chosen.uids.items() for span in spans
    ]
    for i, (role, city, (a, b)) in enumerate(listed):
        for other, other_city, (c, d) in listed[i + 1 :]:
            same_city = city == other_city or "" in (city, other_city)
            if role != other and same_city and max(a, c) <= min(b, d):
                raise ValueError(f"users overlap: uid {max(a, c)} stands under {role} and {other}; a user has one role")
