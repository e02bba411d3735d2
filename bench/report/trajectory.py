"""A user's days as a compact view: one line a day, one letter a timeslot, one letter a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from bench.data.trajectories import INVALID, OK, Trajectories
from bench.data.world import World
from bench.report.tables import plain

LETTERS = "H2abcdefghijklmnopqrstuvwxyz"
RARE, UNKNOWN, NOWHERE, WRONG_FORM, SILENT = "*", "?", "·", "!", "_"
COLOURS = ("bold blue", "magenta", "cyan", "green", "yellow", "red")
NEAR_KM = 1.0
GAP = 3
NAME = 26  # columns of a model's name

Cell = tuple[int, int]


@dataclass(frozen=True)
class Said:
    """Answers for one user: a table of their points, with the status of each (bench.data.trajectories)."""

    points: Trajectories
    status: np.ndarray


def places(user: Trajectories) -> dict[Cell, int]:
    """Return the user's cells by falling number of points (the first seen first among equals), with the numbers."""
    cells, first, counts = np.unique(np.stack([user.x, user.y], axis=1), axis=0, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    return {(int(cells[i][0]), int(cells[i][1])): int(counts[i]) for i in order}


def view(user: Trajectories, world: World, days: tuple[int, int], width: int, said: Said | None = None) -> list[Text]:
    """Draw the days of one user; with answers, they stand beside the truth, or below it where there is no room.

    width: columns of the screen. A letter is the rank of a place among all the user's points: H the most frequent, 2
    the second, then a, b, ...
    """
    known = places(user)
    letters = dict(zip(known, LETTERS, strict=False))
    slots = world.grid.slots
    label = len(f"d{days[1]} off  ")
    beside = said is not None and width >= label + 2 * slots + GAP
    lines = [_axis(label, slots, 2 if beside else 1)]
    for day, off in zip(range(days[0], days[1] + 1), world.calendar.is_off(range(days[0], days[1] + 1)), strict=True):
        name = f"d{day}{' off' if off else ''}".ljust(label)
        true = _cells(user.days(day, day))
        lines.append(Text.assemble((name, "dim"), *_draw(true, letters, slots)))
        if said is not None:
            answer = list(_answer(said, day, true, letters, slots, world.grid.cell_km))
            if beside:
                lines[-1].append(" " * GAP).append_text(Text.assemble(*answer))
            else:
                lines.append(Text.assemble(("said".rjust(label - 2) + "  ", "dim"), *answer))
    return [*lines, Text(), *_legend(known, world, user, days, said)]


def compare(user: Trajectories, world: World, days: tuple[int, int], said: Mapping[str, Said]) -> list[Text]:
    """Draw the days of one user with the answers of several models below the truth, and how many of them are right."""
    known = places(user)
    letters = dict(zip(known, LETTERS, strict=False))
    slots = world.grid.slots
    label = min(NAME, max(len("d000 off"), *map(len, said))) + 2
    lines = [_axis(label, slots, 1)]
    for day, off in zip(range(days[0], days[1] + 1), world.calendar.is_off(range(days[0], days[1] + 1)), strict=True):
        true = _cells(user.days(day, day))
        name = f"d{day}{' off' if off else ''}".ljust(label)
        lines.append(Text.assemble((name, "bold"), *_draw(true, letters, slots)))
        for model, of in said.items():
            answer = _answer(of, day, true, letters, slots, world.grid.cell_km)
            lines.append(Text.assemble((plain(model)[:NAME].ljust(label), "dim"), *answer))
    legend = list(_legend(known, world, user, days, next(iter(said.values()))))[:-1]
    told = [Text(f"{plain(model)}: {_agreement(user.days(*days), of)}") for model, of in said.items()]
    return [*lines, Text(), *legend, *told]


def _axis(label: int, slots: int, times: int) -> Text:
    """Hours above the slots."""
    every = slots // 8
    hours = "".join(str(24 * slot // slots).ljust(every) for slot in range(0, slots, every))
    return Text(" " * label + (" " * GAP).join([hours] * times), style="dim")


def _cells(points: Trajectories) -> dict[int, Cell]:
    rows = zip(points.t.tolist(), points.x.tolist(), points.y.tolist(), strict=True)
    return {t: (x, y) for t, x, y in rows}


def _draw(cells: dict[int, Cell], letters: dict[Cell, str], slots: int) -> Iterator[tuple[str, str]]:
    for slot in range(slots):
        if slot not in cells:
            yield NOWHERE, "dim"
        else:
            letter = letters.get(cells[slot], RARE)
            yield letter, COLOURS[LETTERS.find(letter) % len(COLOURS)] if letter != RARE else "dim"


def _answer(
    said: Said, day: int, true: dict[int, Cell], letters: dict[Cell, str], slots: int, cell_km: float
) -> Iterator[tuple[str, str]]:
    """Draw one day of answers: green where right, yellow where near, red where far."""
    rows = said.points.d == day
    status = dict(zip(said.points.t[rows].tolist(), said.status[rows].tolist(), strict=True))
    cells = _cells(said.points.take(rows))
    for slot in range(slots):
        if slot not in cells:
            yield NOWHERE, "dim"
        elif status[slot] != OK:
            yield (WRONG_FORM if status[slot] == INVALID else SILENT), "red"
        else:
            yield letters.get(cells[slot], UNKNOWN), _verdict(cells[slot], true.get(slot), cell_km)


def _verdict(cell: Cell, true: Cell | None, cell_km: float) -> str:
    if true is None:
        return ""
    km = cell_km * float(np.hypot(cell[0] - true[0], cell[1] - true[1]))
    return "green" if km == 0 else "yellow" if km <= NEAR_KM else "red"


def _legend(
    known: dict[Cell, int], world: World, user: Trajectories, days: tuple[int, int], said: Said | None
) -> Iterator[Text]:
    total = sum(known.values())
    home = next(iter(known), (0, 0))
    for (x, y), letter in zip(known, LETTERS[:6], strict=False):
        km = world.grid.cell_km * float(np.hypot(x - home[0], y - home[1]))
        share = known[x, y] / total
        yield Text(f"{letter}  cell {x},{y}  {share:4.0%} of {total:,} points  {km:5.1f} km from {LETTERS[0]}")
    yield Text(f"{RARE} rarer than the first {len(LETTERS)} places   {NOWHERE} no point", style="dim")
    if said is not None:
        yield Text.assemble(
            ("said: ", "dim"),
            ("right", "green"),
            (", ", "dim"),
            (f"at most {NEAR_KM:g} km away", "yellow"),
            (", ", "dim"),
            ("further", "red"),
            (f"; {UNKNOWN} a place unknown to the user, {WRONG_FORM} invalid, {SILENT} missing", "dim"),
        )
        yield Text(_agreement(user.days(*days), said))


def _agreement(user: Trajectories, said: Said) -> str:
    """Say how many of the shown answers are right."""
    true = dict(zip(_keys(user), zip(user.x.tolist(), user.y.tolist(), strict=True), strict=True))
    rows = zip(_keys(said.points), said.points.x.tolist(), said.points.y.tolist(), said.status.tolist(), strict=True)
    verdicts = [state == OK and true[key] == (x, y) for key, x, y, state in rows if key in true]
    if not verdicts:
        return "No answer of these days has a truth to lay it beside."
    return f"{sum(verdicts):,} of {len(verdicts):,} answers of these days are right ({np.mean(verdicts):.0%})."


def _keys(points: Trajectories) -> Sequence[tuple[int, int]]:
    return list(zip(points.d.tolist(), points.t.tolist(), strict=True))
