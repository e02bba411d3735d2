"""Projection, extent and cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.points.frame import DEGREES, Frame, choose_crs, choose_frame, smallest_box, transform
from bench.data.points.settings import Settings
from bench.errors import UserError

POINTS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=60)


def test_x_grows_to_the_right_and_y_downwards_from_1() -> None:
    frame = Frame(None, 0, 100, 10, 5, 10)
    x, y, inside = frame.cells(np.array([0, 49.9, 50, 0, np.inf]), np.array([100, 0.1, 50, 100.1, 0]))
    assert inside.tolist() == [True, True, False, False, False]
    assert (x[:2].tolist(), y[:2].tolist()) == ([1, 5], [1, 10])


@pytest.mark.parametrize(
    ("lon", "lat", "code"), [(116.4, 39.9, "EPSG:32650"), (31.8, -25.1, "EPSG:32736"), (180, 1, "EPSG:32660")]
)
def test_utm_finds_its_zone(lon: float, lat: float, code: str) -> None:
    assert choose_crs(Settings(projection="utm"), np.array([lon]), np.array([lat])) == code


def test_the_local_projection_keeps_areas() -> None:
    crs = choose_crs(Settings(), np.array([116.4]), np.array([39.9]))
    sizes = []
    for lat in (39.0, 41.0):
        east, north = transform(DEGREES, crs, [116, 116.01, 116.01, 116], [lat, lat, lat + 0.01, lat + 0.01])
        sizes.append(
            abs(np.sum(east * np.roll(north, -1) - north * np.roll(east, -1))) / 2 / np.cos(np.radians(lat + 0.005))
        )
    assert sizes[0] == pytest.approx(sizes[1], rel=2e-3)


@given(POINTS, st.sampled_from((0.5, 0.8, 0.99, 1.0)))
def test_the_smallest_extent_holds_its_share(points: list[tuple[int, int]], share: float) -> None:
    east, north = np.array(points, float).T
    west, south, right, top = smallest_box(east, north, share)
    held = (east >= west) & (east <= right) & (north >= south) & (north <= top)
    assert held.mean() >= share - 1e-9
    assert (right - west) * (top - south) <= np.ptp(east) * np.ptp(north) + 1e-9


def test_the_smallest_extent_leaves_what_is_far_away() -> None:
    draw = np.random.default_rng(0)
    east, north = draw.normal(0, 1000, (2, 5000))
    east[:20] += 1e6
    frame = choose_frame(Settings(share=0.95, cell_m=100), None, east, north)
    assert frame.width * 100 < 8000
    assert frame.cells(east, north)[2].mean() >= 0.95


def test_cells_follow_from_the_extent_or_the_other_way_round() -> None:
    box = (0.0, 0.0, 1000.0, 500.0)
    east, north = np.array([1.0, 999.0]), np.array([1.0, 499.0])
    frame = choose_frame(Settings(extent=box, cell_m=100), None, east, north)
    assert (frame.width, frame.height, frame.left, frame.top) == (10, 5, 0, 500)
    frame = choose_frame(Settings(extent=box, cells=(20, 20)), None, east, north)
    assert (frame.cell_m, frame.left, frame.top) == (50, 0, 750)


def test_humobs_grid_lies_where_most_points_are() -> None:
    east, north = np.append(np.linspace(0, 20_000, 99), 900_000), np.append(np.linspace(0, 20_000, 99), 0)
    frame = choose_frame(Settings(), None, east, north)
    assert (frame.width, frame.height, frame.cell_m) == (200, 200, 500)
    assert (frame.left, frame.top) == (-40_000, 60_000)


def test_too_many_cells_are_refused() -> None:
    with pytest.raises(UserError, match="larger cells or a smaller extent"):
        choose_frame(Settings(extent=(0, 0, 1e6, 1e6), cell_m=10), None, np.zeros(1), np.zeros(1))
