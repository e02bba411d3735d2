"""Where the names of points go: beside their point, covering no other name, no point and no edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

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
    still = [_boxes(marks), _boxes(lines)]
    for i in sorted(range(len(points)), key=lambda i: (not points[i].fixed, points[i].y)):
        found[i] = _best(points[i], [_boxes(taken), *still], width, height)
        taken.append(found[i].box(points[i].name))
    return [found[i] for i in range(len(points))]


def _boxes(boxes: Sequence[Box]) -> np.ndarray:
    return np.array(boxes, float).reshape(-1, 4)


def _best(point: Point, covered: Sequence[np.ndarray], width: float, height: float) -> Label:
    """The first of the places that cover least: names count most, then points, then lines."""
    places = list(_places(point))
    boxes = _boxes([label.box(point.name) for label in places])
    left, top, right, bottom = boxes.T
    cost = 20.0 * ((left < 0) | (right > width) | (top < -LINE) | (bottom > height + LINE))
    for weight, others in zip(WEIGHTS, covered, strict=True):
        cost += weight * _overlaps(boxes, others)
    cost += 0.02 * np.abs([label.y - point.y for label in places])
    return places[int(np.argmin(cost))]


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


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How many of the others each box overlaps."""
    one, other = boxes[:, None], others[None]
    return np.all((one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:]), axis=-1).sum(axis=1)
