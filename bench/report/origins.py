"""Where a row comes from, in words: what it learned from, what it began with, and on whom it was tuned before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.adapters.origin import GENERATOR, Learning, Tuned
from bench.data.sources.synthetic.kinds import kinds
from bench.leaderboard import Facts, Row
from bench.leaderboard.lineage import KEPT, PLAIN, Lineage


def is_tiny(settings: Mapping[str, Any]) -> bool:
    """Tell by a model's settings whether it is the tiny decoder.

    It is no language model: its first layers were set by hand, and it read synthetic people only.
    """
    return str(settings.get("base", "")).startswith("tiny")


def learned_from(lineage: Lineage) -> str:
    """Say it in one cell; ``nothing`` is for models whose constants saw none of the test people either."""
    parts = [" | ".join(_part(lineage, training) for training in lineage.learned)] if lineage.learned else []
    if lineage.histories:
        parts.append("test histories")
    if lineage.kept:
        where = f" for {', '.join(lineage.kept)}" if lineage.learned else ""
        parts.append(
            f"{KEPT}{where} ({'fine-tuning rejected on validation' if lineage.rejected else 'not fine-tuned'})"
        )
    if lineage.seen:
        parts.append(f"pretraining on {'+'.join(lineage.seen)}")
    parts += [f"{tuned.what} {'+'.join(tuned.people)} (days {_days(tuned)})" for tuned in lineage.touching]
    if lineage.starts and not parts:
        parts = [f"start alone ({' or '.join(map(_briefly, lineage.starts))})"]
    return "; ".join(parts) or "nothing"


def _briefly(learning: Learning) -> str:
    if not learning.pretrained_on:
        return start(learning)
    by_hand = "set by hand, then " if learning.hand_set else ""
    return f"{by_hand}pretrained on {learning.pretrained_on}"


def _part(lineage: Lineage, training: str) -> str:
    fits = next(fits for fits in lineage.fits if fits.training == training)
    said = [*([f"{KEPT} in {len(fits.kept)} of {len(fits.made)} fits"] if fits.kept else []), *fits.notes]
    return f"{training} ({'; '.join(said)})" if said else training


def start(learning: Learning) -> str:
    """Say what the weights were before any fit."""
    by_hand = f"set by hand ({learning.hand_set})" if learning.hand_set else ""
    match learning.start:
        case "none":
            return ""
        case "random":
            return "random weights"
        case "hand-set":
            return by_hand
        case "pretrained":
            return f"{by_hand}, then pretrained on {learning.pretrained_on}".removeprefix(", then ")


def starts(rows: Sequence[Row], facts: Facts) -> list[str]:
    """Say what the models of a table began with, and whom synthetic people were made after."""
    found = [
        f"Start of {_names(row.model for row in rows if begun in row.lineage.starts)}: {start(begun)}."
        for begun in _unique(begun for row in rows for begun in row.lineage.starts)
    ]
    if facts.synthetic:
        same = [row.model for row in rows if GENERATOR in row.lineage.tuned]
        also = f" It also made, with other seeds, the people on whom {_names(same)} began." if same else ""
        found.append(f"Synthetic test users: {GENERATOR.about}.{also}")
        if of_kinds := [name for name in kinds() if any(f"={name}" in source for source in facts.sources)]:
            names = ", ".join(of_kinds)
            found.append(
                f"Cities of other kinds ({names}): their settings were chosen by hand, with aggregates of other real "
                "people in sight."
            )
    return found


def touching(rows: Sequence[Row], facts: Facts) -> list[str]:
    """Say what was tuned on the very people whom a table tests, a line each."""
    unsure = " if these files are HuMob 2024's" if any(s.endswith(f":{PLAIN}") for s in facts.sources) else ""
    return [
        f"Tuned on people who are test users here{unsure}, days {_days(tuned)} of {' and '.join(tuned.people)}: "
        f"{_names(row.model for row in rows if tuned in row.lineage.touching)}: {tuned.about}."
        for tuned in _unique(tuned for row in rows for tuned in row.lineage.touching)
    ]


def _days(tuned: Tuned) -> str:
    return "{}-{}".format(*tuned.days)


def _names(models: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(models))


def _unique(values: Iterable) -> list:
    found: list[object] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
