"""Where a city's grid lies on the earth: projection, extent and cells. Metres here are those of the projection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.cityfile import FrameSpec, read_cityfile
from bench.data.points.settings import HUMOB_CELL_M, HUMOB_CELLS, Settings
from bench.data.worldfile import WIDEST
from bench.errors import UserError

DEGREES = "EPSG:4326"
SAMPLE = 200_000  # points that place the grid
BINS = 160
SLACK = 1e-9  # of a cell, so that an extent of whole cells is not rounded up


@dataclass(frozen=True)
class Frame:
    """A grid of ``width`` x ``height`` cells of ``cell_m`` metres whose upper left corner is (left, top)."""

    crs: str | None
    left: float
    top: float
    cell_m: float
    width: int
    height: int

    def cells(self, east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, y (int32, from 1, y downwards) of projected points, and which of them lie in the grid."""
        with np.errstate(invalid="ignore"):
            right = np.floor((east - self.left) / self.cell_m)
            down = np.floor((self.top - north) / self.cell_m)
            inside = (right >= 0) & (right < self.width) & (down >= 0) & (down < self.height)
        x, y = (np.where(inside, steps, 0).astype(np.int32) + 1 for steps in (right, down))
        return x, y, inside

    def centres(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude (metres where there is no projection) of the middles of cells."""
        east = self.left + (np.asarray(x, float) - 0.5) * self.cell_m
        north = self.top - (np.asarray(y, float) - 0.5) * self.cell_m
        return (east, north) if self.crs is None else transform(self.crs, DEGREES, east, north)

    def place(self) -> FrameSpec:
        """Return what the city's description says of where it lies."""
        return FrameSpec(crs=self.crs, left=self.left, top=self.top)


def frame_of(path: Path) -> Frame:
    """Return the frame of a described city. Raises UserError if it has none."""
    city = read_cityfile(path)
    if city.frame is None:
        raise UserError(f"{path}: has no frame, so nobody knows where its grid lies")
    at = city.frame
    return Frame(at.crs, at.left, at.top, city.cell_km * 1000, city.width, city.height)


def choose_crs(settings: Settings, lon: np.ndarray, lat: np.ndarray) -> str:
    """Return the projection's name for pyproj, local to the points or to the given extent."""
    if settings.projection not in ("equal-area", "utm"):
        return settings.projection
    if settings.extent:
        west, south, east, north = settings.extent
        middle = ((west + east) / 2, (south + north) / 2)
    else:
        some = slice(None, None, max(1, len(lon) // SAMPLE))
        middle = (round(float(np.median(lon[some])), 2), round(float(np.median(lat[some])), 2))
    if settings.projection == "utm":
        zone = min(60, int((middle[0] + 180) // 6) + 1)
        return f"EPSG:{(32600 if middle[1] >= 0 else 32700) + zone}"
    return f"+proj=laea +lat_0={middle[1]:g} +lon_0={middle[0]:g} +datum=WGS84 +units=m"


def transform(source: str, target: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Project points (longitude or east first). Raises UserError if pyproj is missing or does not know a name."""
    transformer = _transformer(source, target)
    east, north = transformer.transform(x, y)
    return np.asarray(east), np.asarray(north)


def _transformer(source: str, target: str) -> Any:
    try:
        import pyproj
    except ImportError:
        raise UserError("longitudes and latitudes need pyproj: pip install 'mobility-bench[points]'") from None
    try:
        transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise UserError(f"projection '{target}': pyproj does not know it ({str(error)[:100]})") from None
    if not pyproj.CRS(target if source == DEGREES else source).is_projected:
        raise UserError(f"projection '{target}': is not in metres; write equal-area, utm or a projected EPSG code")
    return transformer


def choose_frame(settings: Settings, crs: str | None, east: np.ndarray, north: np.ndarray) -> Frame:
    """Place the grid: as given, or so that it holds the asked share (or, at a fixed size, most) of the points."""
    cell, cells = settings.cell_m, settings.cells
    if settings.extent is not None:
        return _of_box(crs, _box(settings.extent, crs), cell, cells)
    if cell is None and cells is None and settings.share == Settings().share:
        cell, cells = HUMOB_CELL_M, HUMOB_CELLS
    some = np.flatnonzero(np.isfinite(east) & np.isfinite(north))
    some = some[:: max(1, len(some) // SAMPLE)]
    if not len(some):
        raise UserError(f"projection '{crs}': no point can be projected; choose another")
    e, n = east[some], north[some]
    if cell is not None and cells is not None:
        left, bottom = _densest(e, n, cell * cells[0], cell * cells[1])
        return Frame(crs, round(left), round(bottom + cell * cells[1]), cell, *cells)
    west, south, right, top = smallest_box(e, n, settings.share)
    whole = (math.floor(west), math.floor(south), math.ceil(right + SLACK), math.ceil(top))  # metres
    return _of_box(crs, whole, cell, cells)


def _box(extent: tuple[float, float, float, float], crs: str | None) -> tuple[float, float, float, float]:
    """Return the extent in metres: the box around the projected degrees."""
    if crs is None:
        return extent
    box = _transformer(DEGREES, crs).transform_bounds(*extent)
    if not np.isfinite(box).all():
        raise UserError(
            f"extent {list(extent)}: cannot be projected by {crs}; give it in degrees: west, south, east, north"
        )
    return box


def _of_box(
    crs: str | None, box: tuple[float, float, float, float], cell: float | None, cells: tuple[int, int] | None
) -> Frame:
    west, south, east, north = box
    if cells is not None:
        cell = max((east - west) / cells[0], (north - south) / cells[1], 1e-3)
        # as many cells as asked, centred on the box
        left, top = (west + east - cell * cells[0]) / 2, (south + north + cell * cells[1]) / 2
        return Frame(crs, left, top, cell, *cells)
    cell = cell or HUMOB_CELL_M
    width, height = (max(1, math.ceil(size / cell - SLACK)) for size in (east - west, north - south))
    if max(width, height) > WIDEST:
        raise UserError(
            f"{width} x {height} cells of {cell:g} m are too many; larger cells or a smaller extent are needed"
        )
    return Frame(crs, west, north, cell, width, height)


def smallest_box(east: np.ndarray, north: np.ndarray, share: float) -> tuple[float, float, float, float]:
    """Return the box (west, south, east, north) of least area that holds at least this share of the points.

    Its edges are among BINS quantiles of each coordinate, so it is the smallest up to their spacing.
    """
    xs, ys = (np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1))) for values in (east, north))
    if share >= 1 or len(xs) < 3 or len(ys) < 3:
        return float(xs[0]), float(ys[0]), float(xs[-1]), float(ys[-1])
    column = np.clip(np.searchsorted(xs, east, side="right") - 1, 0, len(xs) - 2)
    row = np.clip(np.searchsorted(ys, north, side="right") - 1, 0, len(ys) - 2)
    counts = np.zeros((len(ys), len(xs)))
    np.add.at(counts, (row + 1, column + 1), 1)
    sums = counts.cumsum(0).cumsum(1)
    need, best = share * len(east), (np.inf, 0, 0, 0, 0)
    for low in range(len(ys) - 1):
        for high in range(len(ys) - 1, low, -1):
            held = sums[high] - sums[low]  # points in these rows left of each edge
            if held[-1] < need:
                break
            right = np.searchsorted(held, held + need - 1e-9)
            fits = right < len(xs)
            areas = (xs[right[fits]] - xs[fits]) * (ys[high] - ys[low])
            least = int(np.argmin(areas))
            if areas[least] < best[0]:
                left = int(np.flatnonzero(fits)[least])
                best = (float(areas[least]), left, int(right[left]), low, high)
    _, left, right, low, high = best
    return float(xs[left]), float(ys[low]), float(xs[right]), float(ys[high])


def _densest(east: np.ndarray, north: np.ndarray, width: float, height: float) -> tuple[float, float]:
    """Return left and bottom of the box of this size that holds most points, found axis by axis."""
    inside = np.ones(len(east), bool)
    left = bottom = 0.0
    for _ in range(2):
        left = _densest_interval(east[inside], width)
        inside = (east >= left) & (east < left + width)
        bottom = _densest_interval(north[inside], height)
        inside = (north >= bottom) & (north < bottom + height)
    inside &= (east >= left) & (east < left + width)
    return _centred(east[inside], width), _centred(north[inside], height)


def _densest_interval(values: np.ndarray, size: float) -> float:
    ordered = np.sort(values)
    held = np.searchsorted(ordered, ordered + size, side="left") - np.arange(len(ordered))
    return float(ordered[int(np.argmax(held))])


def _centred(values: np.ndarray, size: float) -> float:
    """Return the low end of the interval of this size around the middle of the values' range."""
    return float((values.min() + values.max() - size) / 2)
