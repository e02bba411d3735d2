from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cache import cache_folder
from bench.data.convert import write_points
from bench.data.sources import open_source
from bench.data.sources.challenges import CHALLENGES, ENDINGS, find_files, get_challenge
from bench.data.sources.humob import Humob
from bench.data.trajectories import Trajectories
from bench.errors import UserError

MASKED = {"x": 999, "y": 999}


def table(uids: list[int], first_day: int = 0) -> pd.DataFrame:
    """Three points of each user on every fifth of 75 days, in the file's own days."""
    days, slots = np.arange(0, 75, 5), [3, 20, 40]
    frame = pd.DataFrame([(u, d + first_day, t) for u in uids for d in days for t in slots], columns=["uid", "d", "t"])
    return frame.assign(x=(frame.uid + frame.t) % 200 + 1, y=frame.d % 200 + 1)


def write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def mask(frame: pd.DataFrame, uids: range, horizon: int) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[frame.uid.isin(uids) & (frame.d >= horizon), ["x", "y"]] = 999
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOBILITY_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


CASES = [(name, city) for name, challenge in CHALLENGES.items() for city in challenge.files]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("name", "city"), CASES)
def test_each_challenge_is_known_by_its_files_and_read_by_its_conventions(folder: Path, name: str, city: str) -> None:
    challenge = CHALLENGES[name]
    targets = challenge.targets.get(city, range(0))
    uids = [5, targets[0], targets[-1]] if targets else [5, 6]
    frame = table(uids, challenge.first_day)
    write(folder / f"{challenge.files[city]}.csv.gz", mask(frame, targets, 60 + challenge.first_day))
    source = open_source(f"humob:{folder}")
    assert source.spec == f"humob:{name}"
    assert source.cities() == (city,)
    assert source.targets(city) == tuple(targets)
    points, masked = source.load(city), source.masked(city)
    assert (points.d.min(), points.d.max()) == (0, 70)
    assert set(masked.uid.tolist()) == set(uids) & set(targets)
    if targets:
        assert (masked.d.min(), masked.d.max()) == (60, 70)
    assert len(points) + len(masked) == len(frame)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", CHALLENGES)
def test_the_complete_file_fills_masked_points(folder: Path, name: str) -> None:
    challenge = CHALLENGES[name]
    city = next(iter(challenge.targets))
    frame = table([5, challenge.targets[city][0]], challenge.first_day)
    write(folder / f"{challenge.files[city]}.csv", mask(frame, challenge.targets[city], 60 + challenge.first_day))
    write(folder / f"{challenge.complete[city]}.parquet", frame)
    source = Humob(folder)
    for again in (source, Humob(folder)):  # the second one reads the cache
        loaded = again.load(city).to_frame().drop(columns="city")
        expected = frame.assign(d=frame.d - challenge.first_day)
        pd.testing.assert_frame_equal(loaded, expected, check_dtype=False)
        assert len(again.masked(city)) == 0
        assert again.targets(city) == tuple(challenge.targets[city])


@pytest.mark.usefixtures("cache")
def test_truth_that_lacks_rows_leaves_them_masked(folder: Path) -> None:
    frame = table([22_000])
    write(folder / "cityB_challengedata.csv", mask(frame, range(22_000, 22_001), 60))
    write(folder / "cityB-dataset.csv", frame[(frame.d != 65) & (frame.d >= 60)])
    source = Humob(folder)
    assert set(source.masked("B").d.tolist()) == {65}
    assert len(source.load("B")) == len(frame) - 3


@pytest.mark.usefixtures("cache")
def test_truth_of_other_data_is_refused(folder: Path) -> None:
    frame = table([22_000])
    write(folder / "cityB_challengedata.csv", mask(frame, range(22_000, 22_001), 60))
    write(folder / "cityB-dataset.csv", frame.assign(x=frame.x % 200 + 1))
    with pytest.raises(UserError, match="36 of 36 rows of target users differ"):
        Humob(folder).load("B")


@pytest.mark.usefixtures("cache")
def test_a_complete_file_alone_is_enough(folder: Path) -> None:
    write(folder / "cityB-dataset.csv.gz", table([1, 22_000]))
    source = Humob(folder)
    assert (source.spec, len(source.load("B")), len(source.masked("B"))) == ("humob:humob2024", 90, 0)


@pytest.mark.usefixtures("cache")
def test_a_masked_cell_of_no_target_user_is_a_fault(folder: Path) -> None:
    write(folder / "cityB_challengedata.csv", mask(table([5]), range(6), 60))
    with pytest.raises(UserError, match=r"line 38: x and y are 999 \(masked\), but uid 5 is no target user"):
        Humob(folder).load("B")
    (folder / "cityB_challengedata.csv").rename(folder / "cityA_groundtruthdata.csv")
    with pytest.raises(UserError, match="line 38: x and y = 999"):  # city A has no targets
        Humob(folder).load("A")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("ending", ENDINGS)
def test_plain_files(folder: Path, ending: str) -> None:
    for city in ("B", "old-town"):
        write(folder / f"city_{city}{ending}", mask(table([5, 6]), range(6, 7), 60))
    write(folder / "poi_city_B.csv", table([1]))
    source = Humob(folder)
    assert (source.spec, source.cities()) == ("humob:plain", ("B", "old-town"))
    assert source.targets("old-town") == (6,)
    assert source.load("B").cities == ("B",)


def test_the_calendar_says_what_is_known(folder: Path) -> None:
    write(folder / "city_B_challengedata.csv", table([1], 1))
    world = Humob(folder).world("B")
    assert not world.calendar.is_off(np.arange(75)).any()  # the GIS Cup did not publish its calendar
    (folder / "city_B_challengedata.csv").rename(folder / "cityB_challengedata.csv")
    assert Humob(folder).world("B").calendar.is_off([0, 1, 2, 6]).tolist() == [True, True, False, True]


def test_a_folder_without_known_files_lists_both_sides(folder: Path) -> None:
    (folder / "cityB.csv").write_text("")
    with pytest.raises(UserError) as caught:
        Humob(folder)
    message = str(caught.value)
    assert all(
        name in message for name in ("task1_dataset.csv.gz", "cityA_groundtruthdata", "city_X", "found cityB.csv")
    )


def test_files_of_two_challenges_in_one_folder_are_refused(folder: Path) -> None:
    write(folder / "city_B_challengedata.csv", table([1], 1))
    write(folder / "cityB_challengedata.csv", table([1]))
    with pytest.raises(UserError, match=r"several kinds: HuMob Challenge 2024 .* GIS Cup 2025"):
        find_files(folder)


@pytest.mark.parametrize(("spec", "message"), [("humob:", "names no folder"), ("humob:/no/such", "no such folder")])
def test_no_folder(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_source(spec)


def test_an_unknown_city_or_challenge_is_told_with_the_nearest(folder: Path) -> None:
    write(folder / "city_B.csv", table([1]))
    with pytest.raises(UserError, match="city 'b' is not there"):
        Humob(folder).load("b")
    with pytest.raises(UserError, match="did you mean 'humob2024'"):
        get_challenge("humob24")


def test_the_cache_is_used_and_follows_the_file(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "city_B.csv.gz", mask(table([5, 6]), range(6, 7), 60))
    first = Humob(folder)
    fingerprint = first.load("B").fingerprint()
    (copy,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(Humob, "_parse", None)  # from here on the file itself is not read
        again = Humob(folder)
        assert again.load("B").fingerprint() == fingerprint
        assert again.masked("B").fingerprint() == first.masked("B").fingerprint()
    write(path, table([7, 8]))
    assert set(Humob(folder).load("B").uid.tolist()) == {7, 8}
    (other,) = cache.iterdir()  # the old copy is gone
    assert other != copy


@pytest.mark.parametrize("harm", ["cut", "empty", "other columns"])
def test_a_damaged_cache_is_made_again(folder: Path, cache: Path, harm: str) -> None:
    write(folder / "city_B.csv", table([5]))
    expected = Humob(folder).load("B").fingerprint()
    (copy,) = cache.iterdir()
    whole = copy.read_bytes()
    if harm == "other columns":
        pd.DataFrame({"a": [1]}).to_parquet(copy)
    else:
        copy.write_bytes(whole[: len(whole) // 2] if harm == "cut" else b"")
    assert Humob(folder).load("B").fingerprint() == expected
    assert copy.read_bytes() == whole


def test_without_a_place_for_the_cache_it_works_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write(folder / "city_B.csv", table([5]))
    assert len(Humob(folder, cache=tmp_path / "file" / "below").load("B")) == 45


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOBILITY_BENCH_CACHE", raising=False)
    assert cache_folder().name == "mobility-bench"
    monkeypatch.setenv("MOBILITY_BENCH_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")


def test_the_fingerprint_depends_on_rows_alone(folder: Path, cache: Path) -> None:
    path = write(folder / "city_B.csv", table([5, 6]))
    expected = Humob(folder).load("B").fingerprint()
    shutil.rmtree(cache)
    lines = path.read_text().splitlines()
    path.unlink()
    (folder / "city_B.csv.gz").write_bytes(gzip.compress("\n".join(lines[:0:-1]).encode()))  # backwards, no header
    assert Humob(folder).load("B").fingerprint() == expected


def test_real_users(humob100: Path, cache: Path) -> None:
    source = Humob(humob100)
    assert (source.spec, source.cities()) == ("humob:plain", ("B", "C"))
    for city in source.cities():
        assert len(source.load(city).users) == 100
        assert source.targets(city) == ()
    assert len(list(cache.iterdir())) == 2


def test_tables_of_one_city_are_written_in_order(tmp_path: Path) -> None:
    points = Trajectories.from_frame(table([3, 4]), city="B")
    write_points(tmp_path / "city_B.csv.gz", points, first_day=1)
    frame = pd.read_csv(tmp_path / "city_B.csv.gz")
    pd.testing.assert_frame_equal(frame, table([3, 4]).assign(d=lambda f: f.d + 1))


@pytest.mark.parametrize(
    ("first", "last", "told"), [(1, 75, True), (0, 74, False), (0, 75, False), (2, 75, False), (1, 74, False)]
)
def test_a_plain_city_with_days_from_1_to_75_gets_a_hint(tmp_path: Path, first: int, last: int, told: bool) -> None:
    (tmp_path / "city_B.csv").write_text(f"uid,d,t,x,y\n1,{first},0,5,5\n1,{last},0,5,5\n")
    notes = Humob(tmp_path).notes("B")
    assert len(notes) == told
    if told:
        assert notes[0].startswith("city B: days run from 1 to 75, so they seem to count from 1, not from 0")


def test_a_plain_file_has_the_grid_that_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "city_P.csv").write_text("uid,d,t,x,y\n1,0,95,300,7\n")
    with pytest.raises(UserError, match="t = 95 is outside"):
        Humob(tmp_path, cache=tmp_path / "cache").load("P")
    (tmp_path / "city_P.yaml").write_text("{width: 400, height: 10, slots_per_day: 96, first_weekday: monday}")
    source = Humob(tmp_path, cache=tmp_path / "cache")
    for _ in range(2):  # from the file, then from the cache
        assert source.load("P").x.tolist() == [300]
        source = Humob(tmp_path, cache=tmp_path / "cache")
    (tmp_path / "city_P.yaml").write_text("{width: 40}")
    with pytest.raises(UserError, match="outside"):
        Humob(tmp_path, cache=tmp_path / "other").load("P")
