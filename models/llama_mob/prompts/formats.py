"""The layouts of an answer: the paper's JSON, JSON without spaces, rows ``d t x y`` and rows ``x y``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.llama_mob.settings import AnswerFormat

REASON = "The days to come repeat the person's usual places at the usual hours."
PLACEHOLDER = 100  # stands for a number that is not known yet


@dataclass(frozen=True)
class Layout:
    """Where an answer's numbers stand: ``begin``, then a row a point with ``between`` them, then ``end``.

    row: the text before x (with {d} and {t}), between x and y, and after y.
    """

    begin: str
    row: tuple[str, str, str]
    between: str
    end: str
    asked: str  # how the instruction asks for it

    @property
    def keyed(self) -> bool:
        """Whether each row repeats d and t."""
        return "{d}" in self.row[0]

    def write(self, d: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray) -> str:
        """Return the answer with its numbers."""
        before, middle, after = self.row
        rows = [
            f"{before.format(d=day, t=slot)}{column}{middle}{row}{after}"
            for day, slot, column, row in zip(d.tolist(), t.tolist(), x.tolist(), y.tolist(), strict=True)
        ]
        return f"{self.begin}{self.between.join(rows)}{self.end}"

    def ends(self, d: np.ndarray, t: np.ndarray) -> tuple[str, np.ndarray]:
        """Return the answer with a placeholder for each x and y, and where in it each of them ends, int64 (2n,)."""
        hidden = np.full(len(d), PLACEHOLDER)
        before, middle, after = self.row
        width, place, ends = len(str(PLACEHOLDER)), len(self.begin), []
        for day, slot in zip(d.tolist(), t.tolist(), strict=True):
            place += len(before.format(d=day, t=slot)) + width
            ends.append(place)
            place += len(middle) + width
            ends.append(place)
            place += len(after) + len(self.between)
        return self.write(d, t, hidden, hidden), np.array(ends, np.int64)


def layout(answer: AnswerFormat, reason: str | None) -> Layout:
    """Return the layout of a format, with a reason in front or without."""
    return {"json": _json, "minified": _minified, "d t x y": _rows, "x y": _cells}[answer](reason)


def _json(reason: str | None) -> Layout:
    """The paper's answer: JSON in a fence with an indent of 4, each number on a line of its own."""
    said = f'    "reason": "{reason}",\n' if reason else ""
    pad = " " * 12
    return Layout(
        begin=f'```json\n{{\n{said}    "prediction": [\n',
        row=(f"        [\n{pad}{{d}},\n{pad}{{t}},\n{pad}", f",\n{pad}", "\n        ]"),
        between=",\n",
        end="\n    ]\n}\n```",
        asked=_as_json(reason, "indented"),
    )


def _minified(reason: str | None) -> Layout:
    said = f'"reason":"{reason}",' if reason else ""
    return Layout(
        begin=f'{{{said}"prediction":[',
        row=("[{d},{t},", ",", "]"),
        between=",",
        end="]}",
        asked=_as_json(reason, "without spaces"),
    )


def _rows(reason: str | None) -> Layout:
    return Layout(
        begin=_reason_line(reason),
        row=("{d} {t} ", " ", "\n"),
        between="",
        end="",
        asked=_as_rows(reason, "d t x y"),
    )


def _cells(reason: str | None) -> Layout:
    return Layout(begin=_reason_line(reason), row=("", " ", "\n"), between="", end="", asked=_as_rows(reason, "x y"))


def _reason_line(reason: str | None) -> str:
    return f"Reason: {reason}\n" if reason else ""


def _as_json(reason: str | None, how: str) -> str:
    keys = ["prediction, a list of [d, t, x, y]"]
    if reason:
        keys.insert(0, "reason, one sentence")
    return f"Answer only in JSON, {how}, with {_listed(keys)}."


def _as_rows(reason: str | None, columns: str) -> str:
    first = "First give a reason in one sentence. Then answer" if reason else "Answer"
    return f"{first} only with rows {columns}, in the order asked."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)
