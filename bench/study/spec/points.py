"""A point of a study's space in words: ``A+B, 240 in all, loss proximity``."""

from __future__ import annotations

import json

from bench.study.spec.schema import Choice, Point

CITIES, USERS = "cities", "users.train"  # axes that readers know without their names
SHARES = "shares."  # before the city whose share an axis is


def shown(point: Point) -> str:
    """Write a point for readers: ``A+B, 240 in all, loss proximity``, ``shares A 0.5, B 1``."""
    parts = {name: text if name in (CITIES, USERS) else f"{name} {text}" for name, text in labels(point).items()}
    shares = [text.removeprefix(SHARES) for name, text in parts.items() if name.startswith(SHARES)]
    rest = [text for name, text in parts.items() if not name.startswith(SHARES)]
    return ", ".join([*rest, *([f"shares {', '.join(shares)}"] if shares else [])])


def labels(point: Point) -> dict[str, str]:
    """Write the choices for readers: ``{"total":240}`` is ``240 in all``, ``models.lp_bert.loss`` is ``loss``.

    A study has one model, so the last part of a setting's name is enough.
    """
    return {brief(name): volume(choice) if name == USERS else _label(choice) for name, choice in point.items()}


def volume(choice: Choice, unit: str = "") -> str:
    """Write how many users train: ``60 a city``, ``240 in all``; unit: of what, e.g. ``trajectories``."""
    text = _label(choice)
    if isinstance(choice, int):
        return " ".join(filter(None, (text, unit, "a city")))
    if text.startswith("total "):
        return " ".join(filter(None, (text.removeprefix("total "), unit, "in all")))
    return f"{unit}: {text}" if unit else text


def brief(axis: str) -> str:
    """Return an axis as readers see it: a setting without ``models.NAME``."""
    return axis.split(".", 2)[2] if axis.startswith("models.") else axis


def _label(choice: Choice) -> str:
    if isinstance(choice, str) and choice.startswith("{"):
        return ", ".join(f"{key} {value}" for key, value in json.loads(choice).items())
    return f"{choice:.4g}" if isinstance(choice, float) else str(choice)
