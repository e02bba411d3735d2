"""The prompt as text: an instruction of parts that can be switched, the question's records, the answer's layout.

The parts are those of the paper's prompt (arXiv 2410.23692, section 3: instruction, question and answer blocks), in
words of our own. Coordinates run from 1 to the grid's width and height, as the data have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Calendar, Grid
from models.llama_mob.base.layouts import Chat, Turn
from models.llama_mob.prompts.formats import REASON, Layout, layout
from models.llama_mob.settings import Instruction

MASK = 999


@dataclass(frozen=True)
class Template:
    """What stands around a user's records.

    system: the instruction; lead: the question's lines before the records; listed: whether records to predict stand in
    the question, as ``d t 999 999``; layout: of the answer.
    """

    system: str
    lead: str
    listed: bool
    layout: Layout

    @classmethod
    def build(cls, parts: Instruction, grid: Grid, calendar: Calendar) -> Template:
        """Return the template of the chosen parts."""
        if parts.template is not None:
            from models.llama_mob.prompts.conversations import template_of

            return template_of(parts)
        shape = layout(parts.answer, REASON if parts.reason else None)
        said = [
            "You predict where a person goes in a city." if parts.role else "",
            _grid(grid) if parts.grid else "",
            _quadruple(grid) if parts.quadruple else "",
            _example(grid) if parts.example else "",
            _weekdays(calendar) if parts.weekdays else "",
            _holidays(calendar) if parts.holidays else "",
            _task(parts.listed),
            shape.asked,
        ]
        return cls("\n".join(filter(None, said)), "Records:\n", parts.listed, shape)

    def question(self, history: Trajectories, queries: Queries) -> str:
        """Return the user's message: the records seen and, where listed, those to predict."""
        seen = zip(history.d.tolist(), history.t.tolist(), history.x.tolist(), history.y.tolist(), strict=True)
        rows = [f"{d} {t} {x} {y}" for d, t, x, y in seen]
        if self.listed:
            asked = zip(queries.d.tolist(), queries.t.tolist(), strict=True)
            rows += [f"{d} {t} {MASK} {MASK}" for d, t in asked]
        return self.lead + "\n".join(rows)

    def prompt(self, history: Trajectories, queries: Queries, chat: Chat, told: Sequence[Turn] = ()) -> str:
        """Return all that the model reads, in a chat layout, up to where its answer begins; told: solved examples."""
        return chat.opening(self.system, self.question(history, queries), told)


def _grid(grid: Grid) -> str:
    return (
        f"The city is a grid of {grid.width} x {grid.height} cells, each {round(grid.cell_km * 1000)} m wide. "
        f"A cell is written x y: x runs from 1 at the left to {grid.width} at the right, "
        f"y from 1 at the top to {grid.height} at the bottom."
    )


def _quadruple(grid: Grid) -> str:
    return (
        "A record is a quadruple d t x y: on day d, in the timeslot t, the person was in cell x y. "
        f"Days count from 0. Timeslots run from 0 to {grid.slots - 1}, {24 * 60 // grid.slots} minutes each."
    )


def _example(grid: Grid) -> str:
    slot, cell = grid.slots // 3, f"{min(88, grid.width)} {min(120, grid.height)}"  # 8 o'clock
    span = " to ".join(_clock(part * 24 * 60 // grid.slots) for part in (slot, slot + 1))
    return (
        f"For example, 3 {slot} {cell} says that on day 3, in the timeslot from {span}, the person was in cell {cell}."
    )


def _clock(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02}" if rest else f"{hours}"


def _weekdays(calendar: Calendar) -> str:
    if not calendar.weekend:
        return ""
    said = []
    for first in (0, *(after + 1 for after, _days in calendar.breaks)):  # from there to the next break
        shift = int(calendar.weekday([first])[0]) - first
        leave = _words(frozenset((day - shift) % 7 for day in calendar.weekend))
        said.append(f"{f'from day {first} on, ' if first else ''}the days that leave {leave} when divided by 7")
    return f"Weekends are {'; '.join(said)}."


def _holidays(calendar: Calendar) -> str:
    return f"Holidays are the days {_words(calendar.holidays)}." if calendar.holidays else ""


def _task(listed: bool) -> str:
    unknown = "Records to predict are marked 999 999. " if listed else ""
    return f"{unknown}Predict the cell of every record that is asked for."


def _words(days: Sequence[int] | frozenset[int]) -> str:
    numbers = [str(day) for day in sorted(days)]
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
