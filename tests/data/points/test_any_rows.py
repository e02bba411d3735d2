"""Whatever a file holds: it is refused in plain lines, or every row is in the result or counted under one reason."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.points.conversion import Converted, convert_points
from bench.errors import UserError

ANY = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=8)
USER = st.sampled_from(("a", "b", "")) | ANY
TIMES = ("2024-01-07 01:00:00", "2024-01-07 01:10:00", "2024-02-01 05:00:00", "1970-01-01", "2970-01-01")
TIME = st.sampled_from(TIMES) | ANY
DEGREE = st.floats(-200, 200).map(str) | st.sampled_from(("116.4", "39.9", "0", "nan", "")) | ANY
ROW = st.tuples(USER, TIME, DEGREE, DEGREE).map(",".join) | ANY
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "rule": st.sampled_from(("last", "majority", "longest")),
        "windows": st.sampled_from(("shared", "busiest", "all")),
        "window_days": st.integers(1, 30),
        "fill_minutes": st.integers(0, 200),
        "cell_m": st.floats(1000, 1e5),
        "max_kmh": st.none(),
    },
)


def convert(rows: list[str], options: dict[str, object]) -> Converted | UserError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.csv"
        path.write_text("\n".join(["user,time,lon,lat", *rows]) + "\n", encoding="utf-8")
        try:
            return convert_points(path, "X", "found", {"timezone": "UTC", "min_rows": 1} | options)
        except UserError as error:
            return error


@settings(max_examples=60)
@given(st.lists(ROW, max_size=12), OPTIONS)
def test_every_row_is_kept_or_counted(rows: list[str], options: dict[str, object]) -> None:
    made = convert(rows, options)
    if isinstance(made, UserError):
        assert all(message and "\n" not in message for message in made.messages)
        return
    report = made.report
    assert report["rows in"] - sum(report["dropped"].values()) + report["filled slots"] == len(made.table) > 0
    assert made.table.x.min() >= 1
    assert made.table.x.max() <= made.city.width
    assert made.table.y.max() <= made.city.height
