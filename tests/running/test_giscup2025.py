"""GIS Cup 2025 from its own files: users and days from 1, masked targets, the break of C, a calendar nobody tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.sources.humob import Humob
from bench.data.sources.synthetic import Synthetic
from bench.data.world import World
from bench.protocol import reading
from bench.protocol.schema import Protocol
from bench.running.splits import Prepared, Skip, make_split

ROOT = Path(__file__).resolve().parents[2]
BREAK = {"A": 0, "C": 89}  # days between day 59 and day 60
TARGETS = {"A": 147_001, "C": 22_001}  # the first official target user
ASKED, USERS = 8, 160


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write synthetic people of A and C as the challenge's files have them; C's last days lie 89 days later."""
    folder = tmp_path_factory.mktemp("giscup")
    source = Synthetic(users=USERS, days=75 + max(BREAK.values()))
    for city, pause in BREAK.items():
        rows = source.load(city)
        frame = pd.DataFrame({"uid": rows.uid, "d": rows.d, "t": rows.t, "x": rows.x, "y": rows.y})
        frame = frame[(frame.d < 60) | (frame.d >= 60 + pause)]
        frame = frame[frame.d < 75 + pause]
        frame["d"] = np.where(frame.d < 60, frame.d, frame.d - pause) + 1
        target = frame.uid >= USERS - ASKED
        frame["uid"] = np.where(target, frame.uid - (USERS - ASKED) + TARGETS[city], frame.uid + 1)
        frame.to_csv(folder / f"city_{city}_alldata.csv", index=False)
        frame.loc[target & (frame.d > 60), ["x", "y"]] = 999
        frame.to_csv(folder / f"city_{city}_challengedata.csv", index=False)
    return folder


def protocol(*overrides: str) -> Protocol:
    cities = ("data.cities=[A, C]", "splits=[{train: {cities: [A, C]}, test: [A, C]}]", f"users.test={{last: {ASKED}}}")
    calendar = "data.calendar={A: {learned: true}, C: {learned: true, breaks: [{after: 59, days: 89}]}}"
    return reading.load(ROOT / "protocols" / "giscup2025.yaml", overrides=[*cities, calendar, *overrides])


def prepared(folder: Path, cache: Path, city: str) -> Prepared:
    asked = protocol()
    return make_split(asked, asked.splits[0], city, Humob(folder, cache))


@pytest.mark.parametrize("city", ["A", "C"])
def test_official_users_are_asked_for_their_masked_days(made: Path, tmp_path: Path, city: str) -> None:
    found = prepared(made, tmp_path, city)
    official = set(range(TARGETS[city], TARGETS[city] + ASKED))
    assert {uid for _, uid in found.truth.users} <= official
    assert found.users["test"] >= ASKED - 2
    assert (found.truth.d.min(), found.truth.d.max(), found.split.history.d.min()) == (60, 74, 0)
    assert found.truth.x.max() <= 200  # known, though masked in the challenge's file
    learned = {uid for name, uid in found.split.train.users if name == city}
    assert len(learned) > USERS / 3
    assert not learned & official


def test_without_the_truth_a_city_is_left_out_with_its_reason(made: Path, tmp_path: Path) -> None:
    alone = tmp_path / "files"
    alone.mkdir()
    for city in "AC":
        (alone / f"city_{city}_challengedata.csv").symlink_to(made / f"city_{city}_challengedata.csv")
    with pytest.raises(Skip, match=r"the truth of the 8 test users of C is masked"):
        prepared(alone, tmp_path, "C")


def test_off_days_are_learned_on_both_sides_of_the_break(made: Path, tmp_path: Path) -> None:
    worlds = prepared(made, tmp_path, "C").split.worlds
    lived = World().calendar  # of the synthetic people
    for city, pause in BREAK.items():
        days = np.arange(75)
        true = lived.is_off(np.where(days < 60, days, days + pause))
        right = worlds[city].calendar.is_off(days) == true
        assert right.mean() > 0.93, city
        assert right[60:].mean() > 0.9, city  # some 100 people tell one day wrongly now and then
    assert worlds["C"].calendar.elapsed([60])[0] == 149


def test_the_break_moves_weekdays_in_c_alone(made: Path, tmp_path: Path) -> None:
    calendars = {city: world.calendar for city, world in prepared(made, tmp_path, "C").split.worlds.items()}
    assert calendars["A"].weekday([59, 60]).tolist() == [3, 4]
    assert calendars["C"].weekday([59, 60]).tolist() == [3, (4 + 89) % 7]
