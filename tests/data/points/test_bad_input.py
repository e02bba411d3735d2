"""Bad points are counted under a reason, or refused in one line; no row is lost without a word."""

from __future__ import annotations

import pytest

from bench.data.points.conversion import Converted
from bench.errors import UserError

HEAD = "user,time,lon,lat\n"
GOOD = "".join(f"a,2024-01-0{day} 0{hour}:00:00,116.4,39.9\n" for day in (7, 8) for hour in range(1, 5))


def dropped(made: Converted) -> dict[str, int]:
    report = made.report
    out = report["rows in"] - sum(report["dropped"].values()) + report["filled slots"]
    assert out == report["rows out"] == len(made.table)
    return report["dropped"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,2024-01-07 09:00:00,116.4,90.01", "latitude beyond 90"),
        ("a,2024-01-07 09:00:00,180.5,39.9", "longitude beyond 180"),
        ("a,2024-01-07 09:00:00,0,0", "longitude 0 and latitude 0"),
        ("a,1970-01-01 00:00:00,116.4,39.9", "a time before 1980-01-06"),
        ("a,2970-01-01 00:00:00,116.4,39.9", "a time before 1980-01-06"),
        ("a,2024-01-07 04:00:00,116.4,39.9", "once more"),
        ("a,2024-01-07 04:00:00,116.5,39.9", "at another place"),
        ("a,2024-01-07 03:30:00,121.5,31.2", "a jump: faster than 1200 km/h"),
        ("a,2024-01-07 04:10:00,116.4,nan", "without a time or a position"),
        ("a,yesterday,116.4,39.9", "without a time or a position"),
        (",2024-01-07 04:10:00,116.4,39.9", "without a time or a position"),
        ("a,2024-01-07 04:10:00,east,39.9", "without a time or a position"),
        ("a,2024-01-07 04:10:00,116.4", "without a time or a position"),
        ("b,2024-01-07 09:00:00,116.4,39.9", "fewer than 2 slots"),  # a user with one fix
        ("b,2024-01-07 09:00:00,110.4,35.9", "outside the extent"),
    ],
)
def test_a_bad_row_is_counted_and_the_others_stay(convert, row: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    made = convert(HEAD + GOOD + row + "\n" + GOOD.replace("a,", "c,"), min_rows=2)
    ((told, count),) = dropped(made).items()
    assert reason in told
    assert count == 1
    assert made.table.users == (("X", 0), ("X", 2 if row[0] == "b" else 1))


def test_unsorted_fixes_are_sorted_and_noted(convert) -> None:  # type: ignore[no-untyped-def]
    lines = GOOD.splitlines(keepends=True)
    made, straight = convert(HEAD + "".join(lines[::-1])), convert(HEAD + GOOD)
    assert made.table.fingerprint() == straight.table.fingerprint()
    assert made.report["noted"]["fixes that stand before an earlier one of their user in the file"] == len(lines) - 1


def test_a_clock_that_jumped_by_years_is_noted(convert) -> None:  # type: ignore[no-untyped-def]
    jumped = "a,2005-01-07 03:30:00,116.4,39.9\n"
    noted = convert(HEAD + GOOD + jumped).report["noted"]
    assert [count for told, count in noted.items() if "a clock that jumped" in told] == [1]
    for true in ("b,2005-01-07 03:30:00,116.4,39.9\n", GOOD.replace("2024", "2022")):  # another user; half of all
        assert not any("a clock that jumped" in told for told in convert(HEAD + GOOD + true).report["noted"])


def test_users_come_in_the_order_of_their_names_whatever_the_files(convert) -> None:  # type: ignore[no-untyped-def]
    b = GOOD.replace("a,", "b,").replace("116.4", "116.5")
    assert convert(HEAD + GOOD + b).table.fingerprint() == convert(HEAD + b + GOOD).table.fingerprint()


def test_names_that_are_numbers_stay_uids(convert) -> None:  # type: ignore[no-untyped-def]
    made = convert(HEAD + GOOD.replace("a,", "17,") + GOOD.replace("a,", "003,"))
    assert made.table.users == (("X", 3), ("X", 17))


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (HEAD, {}, "holds no rows"),
        ("", {}, "is empty"),
        ("user,time,lon,lat\na,2024-01-07 01:00:00,39.9,116.4\n", {}, "the columns seem swapped"),
        ("user,time,lon,lat\na,2024-01-07 01:00:00,40.7,-74.0\n", {"timezone": "America/New_York"}, "seem swapped"),
        (HEAD + GOOD, {"timezone": "America/New_York"}, "far from the time zone America/New_York"),
        (HEAD + GOOD + "a,2024-01-09T01:00:00+08:00,116.4,39.9\n", {}, "have an offset from UTC and 8 have none"),
        (HEAD + "a,1970-01-01 01:00:00,116.4,39.9\n", {}, "no fix is left"),
        (HEAD + "a,7.1.24 1h,116.4,39.9\n", {}, "say its format"),
        ("user,lon,lat\na,1,2\n", {}, "no column for time"),
        ("user,time,lon\na,1,2\n", {}, "no column for lon and lat"),
        ("a,2024-01-07 01:00:00,116.4,39.9\n", {}, "has no header"),
        ("user,time,lon,lat,lon\na,1,2,3,4\n", {}, "stand more than once"),
        (HEAD + GOOD, {"lon": "east", "lat": "lat"}, "has no column 'east'"),
        (HEAD + GOOD, {"extent": [0, 0, 1, 1]}, "none of 8 points lies in the extent"),
        (HEAD + GOOD, {"min_rows": 99}, "no user is left"),
        (HEAD + GOOD, {"projection": "EPSG:4326"}, "is not in metres"),
        (HEAD + GOOD, {"projection": "mercatorish"}, "pyproj does not know it"),
        ("<html>", {}, "is HTML"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(convert, text: str, options: dict, said: str) -> None:  # type: ignore[no-untyped-def, type-arg]
    with pytest.raises(UserError, match=said) as caught:
        convert(text, **options)
    assert len(caught.value.messages) == 1


def test_a_time_zone_is_needed_to_tell_days(convert) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="say --set timezone"):
        convert(HEAD + GOOD, timezone=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cel_m": 5}, "cel_m: is no setting; did you mean 'cell_m'"),
        ({"slot_minutes": 7}, "do not divide a day"),
        ({"timezone": "Mars/Olympus"}, "no IANA time zone"),
        ({"extent": [2, 0, 1, 1]}, "in this order"),
        ({"extent": [0, 0, 1, 1], "cell_m": 5, "cells": [2, 2]}, "the third follows"),
        ({"windows": "all"}, "needs window_days"),
        ({"cells": [50000, 2]}, "cells a side are possible"),
        ({"lon": "a"}, "belong together"),
    ],
)
def test_wrong_settings_are_refused(convert, options: dict, said: str) -> None:  # type: ignore[no-untyped-def, type-arg]
    with pytest.raises(UserError, match=said):
        convert(HEAD + GOOD, **options)


def test_a_huge_span_is_refused_and_says_how_to_cut(convert) -> None:  # type: ignore[no-untyped-def]
    rows = "a,1985-01-01 01:00:00,116.4,39.9\n"
    with pytest.raises(UserError, match="window_days=75"):
        convert(HEAD + GOOD + rows)
    made = convert(HEAD + GOOD + rows, window_days=14)
    assert dropped(made) == {"a slot before day 0": 1}


def test_a_row_without_an_offset_is_counted_where_others_have_one(convert) -> None:  # type: ignore[no-untyped-def]
    row = "a,2024-01-07 0{}:00:00,116.4,39.9,{}\n"
    rows = row.format(1, 480) + row.format(2, 480) + row.format(3, "")
    made = convert("user,time,lon,lat,tz_offset\n" + rows, timezone=None)
    assert made.table.t.tolist() == [18, 20]
    assert list(dropped(made).values()) == [1]


def test_a_column_of_zone_names_is_no_offset(convert) -> None:  # type: ignore[no-untyped-def]
    made = convert("user,time,lon,lat,timezone\na,2024-01-07 01:00:00,116.4,39.9,Asia/Shanghai\n")
    assert made.table.t.tolist() == [18]
    assert "offset" not in made.report["columns"]
