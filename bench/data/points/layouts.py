"""Data sets whose files are known, and the names under which columns are found in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.errors import UserError, nearest

ENDINGS = (".csv", ".csv.gz", ".tsv", ".txt", ".txt.gz", ".parquet", ".gpx", ".geojson", ".plt")

NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        *("uid", "user", "user-id", "userid", "individual-local-identifier", "individual-id", "tag-local-identifier"),
        *("taxi", "taxi-id", "cab", "vehicle-id", "device-id", "person-id", "agent-id", "track-id", "id"),
    ),
    "time": ("timestamp", "datetime", "date-time", "utc-time", "time", "utctimestamp", "local-time", "fix-time"),
    "lon": ("lon", "longitude", "location-long", "lng", "long"),
    "lat": ("lat", "latitude", "location-lat"),
    "x": ("x", "easting", "utm-easting"),
    "y": ("y", "northing", "utm-northing"),
    "offset": ("timezone", "timezone-offset", "tz-offset", "utc-offset"),
    "visible": ("visible",),  # Movebank: false where the study marked a fix as an outlier
}
"""Role -> names of columns, the first that is there wins; case, blanks and underscores do not count."""

PLT = ("lat", "lon", "zero", "altitude", "days", "date", "clock")
PLT_LINES = 6  # before the first row


@dataclass(frozen=True)
class Layout:
    """One data set's files.

    headless: names of the columns in files without a header, and what stands between them. user: where the user's name
    is, if not in a column. settings: what the data set decides, unless the user says otherwise.
    """

    about: str
    headless: tuple[str, ...] = ()
    separator: str = ","
    user: Literal["column", "file", "folder"] = "column"
    endings: tuple[str, ...] = ENDINGS
    settings: Mapping[str, object] = field(default_factory=dict)


LAYOUTS = {
    "found": Layout("columns found by their names"),
    "geolife": Layout(
        "GeoLife: Data/USER/Trajectory/*.plt in GMT, or one table",
        user="folder",
        endings=(".plt", ".csv", ".csv.gz", ".parquet"),
        settings={"timezone": "Asia/Shanghai", "earliest": "2007-04-01", "latest": "2012-12-31"},
    ),
    "foursquare": Layout(
        "Foursquare New York and Tokyo (TSMC 2014): dataset_TSMC2014_*.txt, or a table of such check-ins",
        headless=("user", "venue", "category-id", "category", "lat", "lon", "timezone", "utc-time"),
        separator="\t",
        settings={"rule": "last"},
    ),
    "massive-steps": Layout("Massive-STEPS: the tabular files; times are local", settings={"time_is": "local"}),
    "movebank": Layout("Movebank: event data as CSV, in UTC"),
    "cabspotting": Layout(
        "Cabspotting, San Francisco: new_CAB.txt (latitude, longitude, occupied, Unix time), or one table",
        headless=("lat", "lon", "occupied", "time"),
        separator=" ",
        user="file",
        settings={"timezone": "America/Los_Angeles"},
    ),
    "t-drive": Layout(
        "T-Drive, Beijing: NUMBER.txt (taxi, local time, longitude, latitude)",
        headless=("taxi", "time", "lon", "lat"),
        settings={"time_is": "local"},
    ),
}


def get_layout(name: str) -> Layout:
    """Return a layout. Raises UserError with the nearest name if there is none."""
    if name not in LAYOUTS:
        raise UserError(f"layout '{name}' is not known{nearest(name, LAYOUTS)}")
    return LAYOUTS[name]


def plain(name: str) -> str:
    """Return a column's name as it is compared."""
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def find_columns(where: str, names: Sequence[str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return role -> column. given: roles whose column is said. Raises UserError if one is missing."""
    found: dict[str, str] = {}
    known = {plain(name): name for name in reversed(names)}
    for role, candidates in NAMES.items():
        wanted = given.get(role)
        if wanted is not None:
            if wanted not in names:
                raise UserError(f"{where}: has no column '{wanted}' for {role}{nearest(wanted, names)}")
            found[role] = wanted
        elif match := next((known[name] for name in candidates if name in known), None):
            found[role] = match
    metres = given.get("x") is not None or not {"lon", "lat"} <= found.keys()
    for role in ("lon", "lat") if metres else ("x", "y"):
        found.pop(role, None)
    place = ("x", "y") if metres else ("lon", "lat")
    lacking = [role for role in ("time", *place) if role not in found]
    if lacking:
        what = "lon and lat (or x and y)" if metres and "time" in found else " and ".join(lacking)
        raise UserError(
            f"{where}: no column for {what}; the columns are {', '.join(names)[:120]}; name it, e.g. --set time=COLUMN"
        )
    return found
