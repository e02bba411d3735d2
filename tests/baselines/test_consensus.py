"""consensus: the day of several files of answers; incomplete files count as far as they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.data.trajectories import MISSING, OK, Queries, Trajectories
from bench.errors import UserError


def write(path: Path, cells: list[tuple[int, int] | None]) -> Path:
    """Write one user's answers for day 60, a row a slot; None is no row."""
    rows = [f"7,60,{t},{cell[0]},{cell[1]}" for t, cell in enumerate(cells) if cell]
    path.write_text("\n".join(["uid,d,t,x,y", *rows]) + "\n")
    return path


def ask(files: list[Path], points: int, **settings: object) -> tuple[list[tuple[int, int]], list[int]]:
    key = {"city": np.zeros(points), "uid": np.full(points, 7), "d": np.full(points, 60), "t": np.arange(points)}
    model = registry.make("consensus", {"answers": {"B": files}, **settings})
    given = model.predict(Trajectories.empty(("B",)), Queries.build(("B",), **key), Context())
    return list(zip(given.x.tolist(), given.y.tolist(), strict=True)), given.status.tolist()


HOME, WORK, SHOP = (10, 10), (40, 40), (12, 10)


def test_most_files_decide_slot_by_slot(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}.csv", [HOME, cell]) for i, cell in enumerate((WORK, WORK, SHOP))]
    assert ask(files, 2, decode="slot") == ([HOME, WORK], [OK, OK])


def test_one_file_is_its_answer_and_the_order_of_files_changes_nothing(tmp_path: Path) -> None:
    days = ([HOME, WORK, SHOP], [HOME, HOME, WORK], [SHOP, WORK, WORK])
    files = [write(tmp_path / f"{i}.csv", list(day)) for i, day in enumerate(days)]
    assert ask(files[:1], 3) == (days[0], [OK] * 3)
    assert ask(files, 3) == ask(files[::-1], 3)


def test_a_file_may_hold_several_runs_and_cities(tmp_path: Path) -> None:
    days = ([HOME, WORK, SHOP], [HOME, HOME, WORK], [SHOP, WORK, WORK])
    alone = [write(tmp_path / f"{i}.csv", list(day)) for i, day in enumerate(days)]
    rows = [f"{i},B,{line}" for i, file in enumerate(alone) for line in file.read_text().splitlines()[1:]]
    together = tmp_path / "runs.csv"
    together.write_text("\n".join(["run,city,uid,d,t,x,y", *rows[::-1], "0,C,7,60,0,1,1"]) + "\n")
    assert ask([together], 3) == ask(alone, 3)


def test_faults_of_a_file_of_runs_are_named_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    for rows, fault in (
        ("a,7,60,0,1,1\na,7,60,0,2,2", "line 3.*line 2"),
        ("a,7,60,half,1,1", "line 2: t is 'half'"),
        ("a,7,60,0,1", "line 2: 5 fields"),
    ):
        file.write_text(f"run,uid,d,t,x,y\n{rows}\n")
        with pytest.raises(UserError, match=fault):
            ask([file], 1)
    file.write_text("run,city,uid,d,t,x,y\na,C,7,60,0,1,1\n")
    with pytest.raises(UserError, match="no rows of city B"):
        ask([file], 1)


def test_what_a_file_lacks_comes_from_the_others_and_what_all_lack_is_missing(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.csv", [HOME, None, WORK]), write(tmp_path / "b.csv", [HOME, None, None])]
    cells, status = ask(files, 3)
    assert status == [OK, MISSING, OK]
    assert (cells[0], cells[2]) == (HOME, WORK)


def test_a_file_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"gone\.csv"):
        registry.get("consensus").Settings(answers={"B": [tmp_path / "gone.csv"]})


def test_the_record_names_each_file_by_its_content(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", [HOME])
    recorded = registry.make("consensus", {"answers": {"B": [file]}}).settings.recorded()
    assert str(tmp_path) not in str(recorded)
    assert "a.csv sha256:" in str(recorded["answers"])
