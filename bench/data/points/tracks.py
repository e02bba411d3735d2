"""Tracks as GPX (by gpxpy) and GeoJSON become tables of points."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

TIMES = ("coordTimes", "times", "timestamps")  # where GeoJSON lines keep the time of each vertex


def read_gpx(path: Path) -> pa.Table:
    """Return time, lon and lat of all track points of a GPX file; the file is one user. Raises UserError."""
    import pyarrow as pa

    try:
        import gpxpy
    except ImportError:
        raise UserError(f"{path}: GPX needs gpxpy: pip install 'mobility-bench[points]'") from None
    try:
        with path.open(encoding="utf-8") as file:
            tracks = gpxpy.parse(file)
    except (gpxpy.gpx.GPXException, ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as GPX ({' '.join(str(error).split())[:100]})") from None
    found = [point for point, *_ in tracks.walk()]
    times = [point.time.isoformat() if point.time else None for point in found]
    return pa.table(
        {
            "time": pa.array(times, pa.string()),
            "lon": pa.array([point.longitude for point in found], pa.float64()),
            "lat": pa.array([point.latitude for point in found], pa.float64()),
        }
    )


def read_geojson(path: Path) -> pa.Table:
    """Return the points of a FeatureCollection, with properties, and the vertices of its lines. Raises UserError."""
    import pyarrow as pa

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read as GeoJSON ({error})") from None
    if not isinstance(found, dict) or not isinstance(found.get("features"), list):
        raise UserError(f"{path}: is no FeatureCollection of GeoJSON")
    rows = [row for feature in found["features"] for row in _rows(feature)]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names})


def _rows(feature: Any) -> Iterator[dict[str, Any]]:
    """Yield a row for each vertex of one feature; one that is no point or line gives a row without a position."""
    feature = feature if isinstance(feature, dict) else {}
    geometry, properties = feature.get("geometry") or {}, feature.get("properties") or {}
    plain = {str(key): value for key, value in properties.items() if not isinstance(value, list | dict)}
    places, times = geometry.get("coordinates"), next((properties[key] for key in TIMES if key in properties), None)
    if geometry.get("type") == "LineString" and isinstance(places, list):
        for i, place in enumerate(places):
            when = {"time": times[i]} if isinstance(times, list) and i < len(times) else {}
            yield plain | when | _place(place)
    else:
        yield plain | (_place(places) if geometry.get("type") == "Point" else {})


def _place(place: Any) -> dict[str, Any]:
    """Longitude and latitude of a position of GeoJSON; a height may follow."""
    return {"lon": place[0], "lat": place[1]} if isinstance(place, Sequence) and len(place) >= 2 else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
