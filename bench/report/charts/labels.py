"""Where the names of points go: beside their point, covering no other name, no point and no edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LETTER, LINE = 6.5, 13.0  # pixels of a letter and of a line, a little more than the font has
NEAR = 9.0  # from a point to its name
STEPS = 16  # half lines up and down that are tried
WEIGHTS = (6.0, 1.5, 0.4)  # of covering a name, a point, a line


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


def place(points: Sequence[Point], width: float, height: float, lines: Sequence[Box] = ()) -> list[Label]:
    """Place the names one after the other, those of lines first, each at the first place that covers least.

    lines: boxes that are drawn thinly; a name keeps off them where it can.
    """
    marks = [(p.x - 5, p.y - 5, p.x + 5, p.y + 5) for p in points if not p.fixed]
    marks += [(0.0, p.y - 1, width, p.y + 1) for p in points if p.fixed]
    taken: list[Box] = []
    found: dict[int, Label] = {}
    for i in sorted(range(len(points)), key=lambda i: (not points[i].fixed, points[i].y)):
        found[i] = _best(points[i], (taken, marks, lines), width, height)
        taken.append(found[i].box(points[i].name))
    return [found[i] for i in range(len(points))]


def _best(point: Point, covered: tuple[Sequence[Box], ...], width: float, height: float) -> Label:
    """The first of the places that cover least: names count most, then points, then lines."""

    def cost(label: Label) -> float:
        box = label.box(point.name)
        outside = box[0] < 0 or box[2] > width or box[1] < -LINE or box[3] > height + LINE
        hits = (sum(_overlap(box, other) for other in boxes) for boxes in covered)
        return 20 * outside + sum(weight * n for weight, n in zip(WEIGHTS, hits, strict=True))

    return min(_places(point), key=lambda label: cost(label) + 0.02 * abs(label.y - point.y))


def _places(point: Point) -> Iterable[Label]:
    for step in range(STEPS):
        for up in (-1, 1):
            y = point.y + up * step * LINE / 2
            near = NEAR if step < 3 else NEAR + 8
            if point.fixed:
                yield Label(point.x, y + (LINE / 2 + 4) * (1 if up > 0 else -1), "left")
            else:
                yield Label(point.x + near, y, "right")
                yield Label(point.x - near, y, "left")


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
