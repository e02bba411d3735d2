"""bench show: a record as a page; a user's days, with answers beside or below."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mock_run import TYPICAL, make_run
from people_run import make
from rich.console import Console

from bench.cli import show
from bench.data.trajectories import INVALID, MISSING, OK, Trajectories
from bench.data.world import World
from bench.errors import UserError
from bench.report import daymap
from bench.report.trajectory import Said, view


@pytest.fixture
def user() -> Trajectories:
    points = [(5, 0, 10, 10), (5, 1, 10, 10), (5, 47, 10, 10), (6, 2, 20, 10), (6, 3, 20, 10), (7, 9, 30, 10)]
    d, t, x, y = (np.array(column) for column in zip(*points, strict=True))
    return Trajectories.build(("B",), city=np.zeros(6), uid=np.full(6, 7), d=d, t=t, x=x, y=y)


def drawn(lines: list[object]) -> list[str]:
    return [getattr(line, "plain", "") for line in lines]


def test_places_get_letters_by_their_share_and_off_days_are_marked(user: Trajectories) -> None:
    lines = drawn(view(user, World(), (5, 7), 100))
    days = {line[:7].strip(): line[8:] for line in lines if line.startswith("d")}
    assert days == {
        "d5": "HH" + "·" * 45 + "H",
        "d6 off": "··22" + "·" * 44,
        "d7 off": "·" * 9 + "a" + "·" * 38,
    }
    assert "H  cell 10,10   50% of 6 points    0.0 km from H" in lines
    assert "2  cell 20,10   33% of 6 points    5.0 km from H" in lines


def test_answers_stand_beside_where_there_is_room_and_below_where_not(user: Trajectories) -> None:
    said = Said(
        Trajectories.build(
            ("B",),
            city=np.zeros(4),
            uid=np.full(4, 7),
            d=np.array([5, 5, 6, 6]),
            t=np.array([0, 1, 2, 3]),
            x=np.array([10, 12, 99, 1]),
            y=np.array([10, 10, 99, 1]),
        ),
        np.array([OK, OK, INVALID, MISSING]),
    )
    wide, narrow = view(user, World(), (5, 6), 120, said), view(user, World(), (5, 6), 80, said)
    assert drawn(wide)[1].endswith("   H?" + "·" * 46)
    assert drawn(wide)[2].endswith("   ··!_" + "·" * 44)
    assert drawn(narrow)[2].split()[-1] == "H?" + "·" * 46
    styles = [str(span.style) for span in wide[1].spans if wide[1].plain[span.start] in "H?" and span.start > 57]
    assert styles == ["green", "yellow"]
    assert drawn(wide)[-1] == "1 of 4 answers of these days are right (25%)."


def test_a_record_is_shown_whole(tmp_path: Path) -> None:
    make_run(tmp_path, TYPICAL, [("B", ("C", "D"))])
    for path in (tmp_path / "records").glob("*.json"):
        console = Console(file=io.StringIO(), width=100)
        show.show_record(path, console)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "status" in text
        assert "Mock CPU" in text
        assert ("GEO-BLEU (HuMob 2024) *" in text) == ("done" in text)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((None, "synthetic", None, None, None), "give a record file, a user"),
        ((None, "synthetic", "17600", None, None), "'17600' is not CITY:UID"),
        ((None, "synthetic", "B:x", None, None), "'B:x' is not CITY:UID"),
        ((None, "synthetic", "B:1", "9-3", None), "'9-3' is not a first and last day"),
        ((Path("nowhere.json"), "synthetic", None, None, None), "there is no such file"),
    ],
)
def test_bad_arguments_are_said(
    arguments: tuple[Path | None, str, str | None, str | None, Path | None], fault: str
) -> None:
    with pytest.raises(UserError, match=fault):
        show.show_command(*arguments)


class Small:
    """A source of one user."""

    spec = "small"

    def world(self, _city: str) -> World:
        return World()

    def __init__(self, table: Trajectories) -> None:
        self.table = table

    def cities(self) -> tuple[str, ...]:
        return ("B",)

    def load(self, _city: str) -> Trajectories:
        return self.table


def test_a_trajectory_is_shown_with_the_answers_of_a_file(
    user: Trajectories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.data.sources.open_source", lambda *_, **__: Small(user))
    answers = tmp_path / "answers.parquet"
    user.to_frame().assign(status=0).to_parquet(answers, index=False)
    console = Console(file=io.StringIO(), width=120)
    show.show_trajectory("synthetic", "B", 7, None, answers, console)
    assert "6 of 6 answers of these days are right (100%)." in console.file.getvalue()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="no user 8; it has, for example, B:7"):
        show.show_trajectory("synthetic", "B", 8, None, None, console)
    with pytest.raises(UserError, match="has no city 'X'"):
        show.show_trajectory("synthetic", "X", 7, None, None, console)
    pd.DataFrame({"city": ["C"], "uid": [7], "d": [1], "t": [1], "x": [1], "y": [1], "status": [0]}).to_parquet(answers)
    with pytest.raises(UserError, match="holds no answers for user 7 of city B"):
        show.show_trajectory("synthetic", "B", 7, None, answers, console)
    (tmp_path / "other.parquet").write_text("x")
    with pytest.raises(UserError, match="cannot be read as answers"):
        show.show_trajectory("synthetic", "B", 7, None, tmp_path / "other.parquet", console)


def test_a_record_of_another_schema_is_refused_in_one_line(tmp_path: Path) -> None:
    records = make_run(tmp_path, TYPICAL[:1], [("B", ("C",))])
    path = tmp_path / "records" / f"{records[0].identity.cost}.json"
    path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 1'))
    with pytest.raises(UserError, match="it has schema 1, this version reads 2 and 3"):
        show.show_record(path, Console(file=io.StringIO()))


def test_days_are_drawn_on_the_grid(user: Trajectories) -> None:
    lines = drawn(daymap.draw(user, World(), (5, 6), 80))
    (row,) = [line for line in lines if line.startswith("  10│")]
    assert row[5:-1].rstrip() == "  H" + " " * 19 + "2"  # ten cells apart, two characters each
    assert "days 5-6; a square is 1 cell, 0.5 km wide; y grows downwards" in lines
    assert drawn(daymap.draw(user, World(), (8, 9), 80)) == ["No points on days 8-9."]


def test_answers_on_the_grid_are_right_missed_or_wrong(user: Trajectories) -> None:
    points = user.days(5, 6)
    x = np.where(points.d == 6, 21, points.x).astype(np.int16)
    said = Said(Trajectories(points.cities, points.city, points.uid, points.d, points.t, x, points.y), np.zeros(5))
    lines = daymap.draw(user, World(), (5, 6), 80, said)
    (row,) = [line for line in lines if line.plain.startswith("  10│")]
    styles = {row.plain[span.start]: str(span.style) for span in row.spans if row.plain[span.start] in "H2×"}
    assert styles == {"H": "bold green", "2": "bold yellow", "×": "red"}


def test_a_wide_walk_is_drawn_in_larger_squares_that_fit() -> None:
    d, t, x, y = np.zeros(2), np.arange(2), np.array([1, 200]), np.array([1, 180])
    table = Trajectories.build(("B",), city=np.zeros(2), uid=np.full(2, 7), d=d, t=t, x=x, y=y)
    lines = drawn(daymap.draw(table, World(), (0, 0), 80))
    assert max(map(len, lines)) <= 80
    assert len(lines) < 40
    assert any("a square is 7 x 7 cells, 3.5 km wide" in line for line in lines)


def test_answers_of_a_run_stand_below_the_truth(tmp_path: Path) -> None:
    run = make(tmp_path, TYPICAL[:3], ["C"], users=2)
    uid = int(pd.read_parquet(next((run / "scores").iterdir()))["uid"][0])
    console = Console(file=io.StringIO(), width=100)
    show.show_answers(run, ("C", uid), [], None, (60, 60), console, grid=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("d60"))
    names = [model.name for model in TYPICAL[:3]]
    assert sorted(line.split("  ")[0] for line in lines[at + 1 : at + 4]) == sorted(names)
    assert "answers of these days are right" in text
    assert "a square is" in text
    with pytest.raises(UserError, match="holds no answers of 'slotmode'"):
        show.show_answers(run, ("C", uid), ["slotmode"], None, None, console)
    with pytest.raises(UserError, match=r"C:9999 is no test user of .*; some that are: C:"):
        show.show_answers(run, ("C", 9999), [], None, None, console)
    with pytest.raises(UserError, match="has no test user in 'X'"):
        show.show_answers(run, ("X", uid), [], None, None, console)
    with pytest.raises(UserError, match="give a record file"):
        show.show_command(run)
