"""A user's days on the grid, in letters: where the user was, where a model said it was, and what the history knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from bench.data.trajectories import OK, Trajectories
from bench.data.world import World
from bench.report.trajectory import LETTERS, RARE, Cell, Said, places

KNOWN, WRONG, EMPTY = "·", "×", " "
MARGIN = 1  # squares around what is drawn
ROWS = 30
WIDE = 2  # characters of a square, which then looks square


@dataclass(frozen=True)
class _Frame:
    """The drawn part of the grid. side: cells of a square's side."""

    x: int
    y: int
    width: int
    height: int
    side: int

    def square(self, cell: Cell) -> tuple[int, int]:
        return (cell[0] - self.x) // self.side, (cell[1] - self.y) // self.side

    def holds(self, square: tuple[int, int]) -> bool:
        return 0 <= square[0] < self.width and 0 <= square[1] < self.height


def draw(user: Trajectories, world: World, days: tuple[int, int], width: int, said: Said | None = None) -> list[Text]:
    """Draw the cells of some days, with answers if there are any; width: columns of the screen.

    Letters are those of :func:`bench.report.trajectory.view`. Where a square holds several cells, the user's most
    frequent place names it.
    """
    known = places(user)
    letters = dict(zip(known, LETTERS, strict=False))
    true = _cells(user.days(*days))
    told = _cells(_answered(said, days)) if said is not None else set()
    if not true | told:
        return [Text(f"No points on days {days[0]}-{days[1]}.")]
    frame = _frame(true | told, width)
    squares: dict[tuple[int, int], tuple[str, str]] = {}
    for cell in reversed(known):  # the most frequent last, so that it stays
        squares[frame.square(cell)] = (KNOWN, "dim")
    for cell in told - true:
        squares[frame.square(cell)] = (WRONG, "red")
    for cell in (cell for cell in reversed(known) if cell in true):
        style = "bold" if said is None else "bold green" if cell in told else "bold yellow"
        squares[frame.square(cell)] = (letters.get(cell, RARE), style)
    return [*_rows(squares, frame), *_legend(frame, world, days, said is not None)]


def _answered(said: Said, days: tuple[int, int]) -> Trajectories:
    return said.points.take((said.status == OK) & (said.points.d >= days[0]) & (said.points.d <= days[1]))


def _cells(points: Trajectories) -> set[Cell]:
    return set(zip(points.x.tolist(), points.y.tolist(), strict=True))


def _frame(cells: set[Cell], width: int) -> _Frame:
    """Choose the part of the grid that holds the cells, and squares so large that it fits."""
    found = np.array(sorted(cells))
    low, high = found.min(axis=0), found.max(axis=0)
    room = (max(4, (width - 6) // WIDE - 2 * MARGIN), ROWS - 2 * MARGIN)
    side = int(max(-(-(high[i] - low[i] + 1) // room[i]) for i in (0, 1)))
    first = [int(low[i]) - MARGIN * side for i in (0, 1)]
    across, down = (-(-(int(high[i]) - first[i] + 1) // side) + MARGIN for i in (0, 1))
    return _Frame(first[0], first[1], across, down, side)


def _rows(squares: dict[tuple[int, int], tuple[str, str]], frame: _Frame) -> Iterator[Text]:
    edge = "─" * (frame.width * WIDE)
    yield Text(f"    ┌{edge}┐", style="dim")
    for row in range(frame.height):
        line = Text(f"{frame.y + row * frame.side:>4}│", style="dim")
        for column in range(frame.width):
            mark, style = squares.get((column, row), (EMPTY, ""))
            line.append(mark.ljust(WIDE), style=style or "not dim")
        yield line.append("│")
    yield Text(f"    └{edge}┘", style="dim")
    last = frame.x + (frame.width - 1) * frame.side
    yield Text(f"     x {frame.x}".ljust(5 + frame.width * WIDE - len(str(last))) + str(last), style="dim")


def _legend(frame: _Frame, world: World, days: tuple[int, int], answers: bool) -> Iterator[Text]:
    span = f"day {days[0]}" if days[0] == days[1] else f"days {days[0]}-{days[1]}"
    cells = "1 cell" if frame.side == 1 else f"{frame.side} x {frame.side} cells"
    side = frame.side * world.grid.cell_km
    yield Text(f"{span}; a square is {cells}, {side:g} km wide; y grows downwards", style="dim")
    if answers:
        yield Text.assemble(
            ("letter: the user was there; the model ", "dim"), ("said so at some time", "bold green"),
            (" or ", "dim"), ("never", "bold yellow"),
        )  # fmt: skip
        yield Text.assemble((WRONG, "red"), (f" said, never true; {KNOWN} other places of the user", "dim"))
    else:
        yield Text(f"letter: the user was there; {KNOWN} other places of the user", style="dim")
