"""The file beside a city's rows: what is written is read again, and faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.cityfile import CityFile, FrameSpec, beside, read_cityfile, write_cityfile
from bench.data.world import Calendar, Grid, World
from bench.errors import UserError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    city = CityFile(width=37, height=61, cell_km=0.25, slots_per_day=24, first_weekday="friday", weekend=("friday",))
    city = city.model_copy(
        update={"off_days": (3,), "uids_a_user": 1000, "frame": FrameSpec(crs="EPSG:32650", left=-1.5, top=2.0)}
    )
    write_cityfile(tmp_path / "city_X.yaml", city)
    assert read_cityfile(tmp_path / "city_X.yaml") == city
    assert city.world() == World(Grid(37, 61, 0.25, 24), Calendar(frozenset({5}), frozenset({3}), 5), 1000)
    assert World.of_plain(city.world().plain()) == city.world()
    assert "uids_a_user" not in World().plain()  # so that identities of other cities stay


@pytest.mark.parametrize("name", ["city_X.csv.gz", "city_X.csv", "city_X.parquet"])
def test_it_stands_beside_the_rows(name: str) -> None:
    assert beside(Path("a") / name) == Path("a/city_X.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("width: many", "width: "),
        ("wide: 5", "wide: Extra inputs"),
        ("frame: {crs: null, left: .nan, top: 0}", "frame.left: "),
        ("a: [", "cannot be read as YAML"),
        ("!!python/object/apply:os.system [ls]", "cannot be read as YAML"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "city_X.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        read_cityfile(tmp_path / "city_X.yaml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_cityfile(tmp_path / "city_X.yaml")
