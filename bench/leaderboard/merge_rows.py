"""Rows that are the same model become one: if all fits were rejected, a row equals its start, the untuned base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.leaderboard.lineage import join

if TYPE_CHECKING:
    from bench.leaderboard.ranking import Figure, Row

SAME = 1e-9  # relative: what summing in another order may change


def merged(rows: Sequence[Row]) -> list[Row]:
    """Join the rows that are one start, asked alike, with equal figures; the others stay as they are."""
    groups: list[list[Row]] = []
    for row in rows:
        group = next((group for group in groups if _same(group[0], row)), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    return [_joined(group) if len(group) > 1 else group[0] for group in groups]


def _same(row: Row, other: Row) -> bool:
    """Whether both rows are their starts and score the same."""
    return (
        (row.lineage.is_start and other.lineage.is_start and row.lineage.starts == other.lineage.starts)
        and (row.asked_with, row.users, row.unranked) == (other.asked_with, other.users, other.unranked)
        and row.figures.keys() == other.figures.keys()
        and all(_equal(figure, other.figures[metric]) for metric, figure in row.figures.items())
    )


def _equal(figure: Figure, other: Figure) -> bool:
    pairs = ((figure.mean, other.mean), (figure.median, other.median))
    return all(abs(one - two) <= SAME * max(abs(one), abs(two)) or one == two for one, two in pairs)


def _joined(group: Sequence[Row]) -> Row:
    """Name the row after its models and trainings; its figures are those of any."""
    names = sorted({row.model for row in group})
    return replace(
        group[0],
        model=" = ".join(names),
        training=" | ".join(sorted({row.training for row in group if row.training})),
        lineage=join(row.lineage for row in group),
        leaks=tuple(dict.fromkeys(leak for row in group for leak in row.leaks)),
    )
