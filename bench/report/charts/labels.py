"""Where the names of points go: beside their point, covering no other name, no point and no edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LETTER, LINE = 6.5, 13.0  # pixels of a letter and of a line, a little more than the font has
NEAR = 9.0  # from a point to its name
STEPS = 16  # lines up and down that are tried


@dataclass(frozen=True)
class Point:
    """A point with its name, in pixels from the upper left corner; fixed: a name that may move up and down only."""

    x: float
    y: float
    name: str
    fixed: bool = False


@dataclass(frozen=True)
class Label:
    """A name's place: its end nearest to the point, its middle line, and on which side of the point it lies."""

    x: float
    y: float
    side: str

    def box(self, name: str) -> Box:
        """The room that it takes."""
        wide = LETTER * len(name)
        left = self.x if self.side == "right" else self.x - wide
        return left, self.y - LINE / 2, left + wide, self.y + LINE / 2


Box = tuple[float, float, float, float]


def place(points: Sequence[Point], width: float, height: float) -> list[Label]:
    """Place the names one after the other, those of lines first, each at the nearest place that covers least."""
    marks = [(p.x - 5, p.y - 5, p.x + 5, p.y + 5) for p in points if not p.fixed]
    marks += [(0.0, p.y - 1, width, p.y + 1) for p in points if p.fixed]
    taken: list[Box] = []
    found: dict[int, Label] = {}
    for i in sorted(range(len(points)), key=lambda i: (not points[i].fixed, points[i].y)):
        point = points[i]
        found[i] = _best(point, taken, marks, width, height)
        taken.append(found[i].box(point.name))
    return [found[i] for i in range(len(points))]


def _best(point: Point, taken: Sequence[Box], marks: Sequence[Box], width: float, height: float) -> Label:
    """The nearest place that covers nothing; where all are taken, the one that covers the fewest names."""

    def cost(label: Label) -> tuple[float, float]:
        box = label.box(point.name)
        outside = box[0] < 0 or box[2] > width or box[1] < -LINE or box[3] > height + LINE
        hits = 3 * sum(_overlap(box, other) for other in taken) + sum(_overlap(box, mark) for mark in marks)
        return hits + 10 * outside, abs(label.y - point.y) + (4 if label.side == "left" else 0)

    return min(_places(point), key=cost)


def _places(point: Point) -> Iterable[Label]:
    for step in range(STEPS):
        for up in (-1, 1):
            y = point.y + up * step * LINE / 2
            near = NEAR if step < 2 else NEAR + 8
            if point.fixed:
                yield Label(point.x, y - LINE / 2 - 4, "left")
            else:
                yield Label(point.x + near, y, "right")
                yield Label(point.x - near, y, "left")


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
