"""Each named data set in the form in which it is published, and the other file formats."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.data.points.conversion import convert_points
from bench.data.points.layouts import LAYOUTS, find_columns
from bench.errors import UserError

PLT = "Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n"
TSMC = '{}\t4bf58dd8\t4bf58dd8d\tCaf\xe9 "x\t40.75\t-73.98\t-240\tTue Apr 03 {}:00:09 +0000 2012\n'
GPX = """<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="39.9" lon="116.4"><time>2024-01-07T01:00:00Z</time></trkpt>
<trkpt lat="39.9" lon="116.4"><time>2024-01-07T02:00:00Z</time></trkpt>
<trkpt lat="39.9" lon="116.4"></trkpt></trkseg></trk></gpx>"""


def points(path: Path, layout: str, **options: object) -> list[tuple[int, int, int]]:
    """Convert and return (uid, d, t)."""
    table = convert_points(path, "X", layout, {"min_rows": 1} | options).table
    return list(zip(table.uid.tolist(), table.d.tolist(), table.t.tolist(), strict=True))


def test_geolife_is_a_tree_of_plt_files_in_gmt(tmp_path: Path) -> None:
    for user, clock in (("000", "16:30:00"), ("011", "01:00:00")):
        folder = tmp_path / "Data" / user / "Trajectory"
        folder.mkdir(parents=True)
        (folder / "1.plt").write_text(PLT + f"39.9,116.4,0,492,39744.1,2008-10-18,{clock}\n")
    # GMT+8: half past midnight on Sunday, day 7 of a calendar that begins with the Sunday before Saturday the 18th
    assert points(tmp_path, "geolife") == [(0, 7, 1), (11, 6, 18)]


def test_foursquare_has_no_header_and_an_offset_in_each_row(tmp_path: Path) -> None:
    path = tmp_path / "dataset_TSMC2014_NYC.txt"
    path.write_bytes((TSMC.format(470, "18") + TSMC.format(979, "02")).encode("latin-1"))
    assert points(path, "foursquare") == [(470, 2, 28), (979, 1, 44)]  # four hours behind UTC, from Sunday 1 April on


def test_cabspotting_is_a_file_a_cab_newest_first(tmp_path: Path) -> None:
    (tmp_path / "new_abboip.txt").write_text("37.75 -122.39 0 1213084687\n37.75 -122.39 1 1213080000\n")
    (tmp_path / "new_abc.txt").write_text("37.76 -122.39 0 1213084687\n")
    # 1213084687 is 00:58 on Tuesday 10 June in San Francisco, 1213080000 is 23:40 on Monday
    assert points(tmp_path, "cabspotting") == [(0, 1, 47), (0, 2, 1), (1, 2, 1)]


def test_t_drive_is_a_file_a_taxi_in_local_time(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("1,2008-02-02 15:36:08,116.51172,39.92123\n1,2008-02-02 15:46:08,116.51,39.92\n")
    (tmp_path / "10.txt").write_text("10,2008-02-03 00:10:00,116.51172,39.92123\n")
    assert points(tmp_path, "t-drive") == [(1, 6, 31), (10, 7, 0)]


def test_movebank_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "event.csv"
    path.write_text(
        "event-id,visible,timestamp,location-long,location-lat,individual-local-identifier\n"
        '1,true,2005-07-14 04:35:00.000,31.8,-25.06,"Cilla, the cow"\n'
        "2,true,2005-07-14 23:35:00.000,31.8,-25.06,Pepper\n"
    )
    assert points(path, "movebank", timezone="Africa/Johannesburg") == [(0, 4, 13), (1, 5, 3)]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_what_a_study_marked_as_an_outlier_is_dropped_and_counted(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"event{ending}"
    table = pd.DataFrame(
        {
            "visible": [True, False, True, None],
            "timestamp": [f"2005-07-14 0{hour}:35:00.000" for hour in range(1, 5)],
            "location-long": [31.8, 31.8, None, 31.8],
            "location-lat": -25.06,
            "individual-local-identifier": "Cilla",
        }
    )
    table.to_parquet(path) if ending == ".parquet" else table.to_csv(path, index=False)
    made = convert_points(path, "X", "movebank", {"min_rows": 1, "timezone": "Africa/Johannesburg"})
    assert made.table.t.tolist() == [7, 13]  # local hours 3 and 6; an empty mark is none
    assert made.report["dropped"] == {
        "a fix that the data set marks as an outlier (visible: false)": 1,
        "a row without a time or a position that can be read": 1,
    }


def test_massive_steps_has_local_times(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pd.DataFrame(
        {
            "trail_id": ["2017_1"],
            "user_id": [5],
            "latitude": [41.0],
            "longitude": [29.0],
            "venue_city_latitude": [1.0],
            "timestamp": pd.to_datetime(["2017-10-03 23:45:00"]),
        }
    ).to_parquet(path)
    assert points(path, "massive-steps") == [(5, 2, 47)]


def test_gpx_and_what_lacks_a_time(tmp_path: Path) -> None:
    pytest.importorskip("gpxpy")
    (tmp_path / "ann.gpx").write_text(GPX)
    made = convert_points(tmp_path / "ann.gpx", "X", "found", {"timezone": "Asia/Shanghai", "min_rows": 1})
    assert made.table.t.tolist() == [18, 20]
    assert list(made.report["dropped"].values()) == [1]


def test_damaged_gpx_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gpxpy")
    (tmp_path / "ann.gpx").write_text(GPX[:150])
    with pytest.raises(UserError, match=r"ann\.gpx: cannot be read as GPX"):
        points(tmp_path / "ann.gpx", "found", timezone="Asia/Shanghai")


@pytest.mark.parametrize(
    "feature",
    [
        {
            "geometry": {"type": "Point", "coordinates": [116.4, 39.9, 50]},
            "properties": {"user": "a", "time": "2024-01-07T01:00:00Z"},
        },
        {
            "geometry": {"type": "LineString", "coordinates": [[116.4, 39.9], [116.4, 39.9]]},
            "properties": {"user": "a", "coordTimes": ["2024-01-07T01:00:00Z", "2024-01-07T01:01:00Z"]},
        },
    ],
)
def test_geojson_of_points_and_of_lines(tmp_path: Path, feature: dict[str, object]) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature"} | feature]}))
    assert points(path, "found", timezone="Asia/Shanghai") == [(0, 0, 18)]


def test_geojson_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text('{"type": "Topology"}')
    with pytest.raises(UserError, match="no FeatureCollection"):
        points(tmp_path / "a.geojson", "found", timezone="UTC")


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_columns_are_found_by_their_names(tmp_path: Path, sep: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        sep.join(("Person ID", "Local_Time", "LONGITUDE", "Latitude"))
        + "\n"
        + sep.join(("a", "2024-01-07 01:00", "5", "6"))
    )
    assert points(path, "found", time_is="local") == [(0, 0, 2)]


def test_given_columns_come_first() -> None:
    names = ["id", "time", "lon", "lat", "x", "y", "fixed"]
    assert find_columns("f", names, {})["lon"] == "lon"
    assert "lon" not in find_columns("f", names, {"x": "x", "y": "y"})
    assert find_columns("f", names, {"time": "fixed"})["time"] == "fixed"


def test_every_layout_says_what_it_is() -> None:
    assert all(layout.about for layout in LAYOUTS.values())


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'geolife'"):
        convert_points(tmp_path, "X", "geolive", {})
