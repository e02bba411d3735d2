"""bench check SUBMISSION: every fault, by line, for each challenge's rules."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bench.challenge.submission import asked_points, check_submission
from bench.cli.submission import MOST_LINES, check_submission_file
from bench.data.sources.challenges import CHALLENGES
from bench.errors import UserError

CASES = [(name, city) for name, rules in CHALLENGES.items() for city in rules.targets]


def rows(challenge: str, city: str) -> list[str]:
    """One row for each target user, on days that run through the horizon."""
    rules = CHALLENGES[challenge]
    return [
        f"{uid},{rules.first_day + 60 + i % 15},{i % 48},{1 + i % 200},{200 - i % 200}"
        for i, uid in enumerate(rules.targets[city])
    ]


def saved(path: Path, lines: list[str]) -> Path:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode(), 1) if path.suffix == ".gz" else text.encode())
    return path


def faults(tmp_path: Path, lines: list[str], name: str = "team.csv", data: str | None = None) -> list[str]:
    path = saved(tmp_path / name, lines)
    asked = asked_points("humob2024", "D", data) if data else None
    return [fault.removeprefix(f"{path}") for fault in check_submission(path, "humob2024", "D", asked)]


@pytest.mark.parametrize(("challenge", "city"), CASES)
def test_good_submissions_pass(tmp_path: Path, challenge: str, city: str) -> None:
    lines = rows(challenge, city)
    assert check_submission(saved(tmp_path / "a.csv", lines), challenge, city) == []
    assert check_submission(saved(tmp_path / "a.csv.gz", ["uid,d,t,x,y", *lines]), challenge, city) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("3000,60,1,0,5", "x = 0 is outside 1..200; cells count from 1"),
        ("3000,60,1,5,201", "y = 201 is outside 1..200"),
        ("3000,60,1,999,999", "999"),
        ("3000,60,48,5,5", "t = 48 is outside 0..47"),
        ("3000,60,1,nan,5", "x is 'nan', not a whole number"),
        ("3000,60,1,5.0,5", "x is '5.0', not a whole number"),
        ("3000,60,1,,5", "x is blank"),
        ("3000,60,1,5", "4 fields instead of 5"),
        ("3000,60,1,5,5,", "6 fields instead of 5"),
        ("3000, 60,1,5,5", "spaces next to a number"),
        ("2999,60,1,5,5", "uid 2999 is not a target user of this city (3000..5999)"),
        ("6000,60,1,5,5", "uid 6000 is not a target user"),
        ("3000,59,1,5,5", "d = 59 is not asked for; the days are 60..74"),
        ("hello", "1 fields instead of 5"),
        ("99999999999,60,1,5,5", "uid = 99999999999 is outside"),
    ],
)
def test_each_fault_is_named_by_its_line(tmp_path: Path, row: str, fault: str) -> None:
    lines = rows("humob2024", "D")
    lines.insert(7, row)
    found = faults(tmp_path, lines)
    assert len(found) == 1
    assert found[0].startswith(", line 8: ")
    assert fault in found[0]


def test_all_faults_come_at_once_in_order(tmp_path: Path) -> None:
    lines = ["uid,d,t,x,y", *rows("humob2024", "D")]
    lines[3] = "3002,62,2,0,0"
    lines.insert(9, lines[1])
    lines.insert(20, "7,61,x,5,5")
    del lines[100]
    found = faults(tmp_path, lines)
    assert [fault.split(":")[0] for fault in found[:4]] == [", line 4", ", line 4", ", line 10", ", line 21"]
    assert "stands in line 2 already" in found[2]
    assert found[-1] == ": 1 target users have no row: 3097"


def test_missing_users_are_told_in_spans(tmp_path: Path) -> None:
    found = faults(tmp_path, rows("humob2024", "D")[500:2900])
    assert found == [": 600 target users have no row: 3000-3499, 5900-5999"]


@pytest.mark.parametrize(("shift", "word", "do"), [(1, "high", "subtract 1"), (-1, "low", "add 1")])
def test_another_day_base_is_one_fault(tmp_path: Path, shift: int, word: str, do: str) -> None:
    moved = [
        ",".join([u, str(int(d) + shift), *rest]) for u, d, *rest in (r.split(",") for r in rows("humob2024", "D"))
    ]
    found = faults(tmp_path, moved)
    assert len(found) == 1
    assert f"all days are one too {word}" in found[0]
    assert do in found[0]


def challenge_folder(tmp_path: Path, asked: list[str]) -> str:
    folder = tmp_path / "data"
    folder.mkdir()
    masked = [",".join([*row.split(",")[:3], "999", "999"]) for row in asked]
    saved(folder / "cityD_challengedata.csv.gz", ["uid,d,t,x,y", "3000,3,5,7,7", "12,70,5,7,7", *masked])
    return str(folder)


def test_with_the_data_every_point_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBILITY_BENCH_CACHE", str(tmp_path / "cache"))
    lines = rows("humob2024", "D")
    data = challenge_folder(tmp_path, lines)
    assert faults(tmp_path, lines, data=data) == []
    assert faults(tmp_path, lines, data=f"humob:{data}") == []
    other = [*lines[:50], "3050,60,47,5,5", *lines[51:2998]]
    found = faults(tmp_path, other, data=data)
    assert found == [
        ", line 51: uid 3050, d 60, t 47 is not asked for; remove the row",
        ": 2 target users have no row: 5998-5999",
        ": no row for uid 3050, d 65, t 2",
    ]


def test_data_of_another_challenge_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "city_D_challengedata.csv", ["17001,61,3,999,999"])
    with pytest.raises(UserError, match="GIS Cup 2025, not of HuMob Challenge 2024"):
        asked_points("humob2024", "D", str(tmp_path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    lines = rows("humob2024", "D")
    whole = saved(tmp_path / "a.csv.gz", lines).read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "plain.csv.gz").write_text("\n".join(lines))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "notes.txt").write_text("")
    for name, fault in [
        ("cut.csv.gz", "cannot be read to its end"),
        ("plain.csv.gz", "cannot be read to its end"),
        ("empty.csv", "holds no rows"),
        ("notes.txt", "neither .csv nor .csv.gz"),
    ]:
        found = check_submission(tmp_path / name, "humob2024", "D")
        assert len(found) == 1
        assert fault in found[0]
    with pytest.raises(UserError, match="no such file"):
        check_submission(tmp_path / "none.csv", "humob2024", "D")


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.csv", ["1,60,1,1,1"])
    with pytest.raises(UserError, match="did you mean 'humob2024'"):
        check_submission(path, "humob24", "D")
    with pytest.raises(UserError, match="has no targets in city 'A'"):
        check_submission(path, "humob2024", "A")
    with pytest.raises(UserError, match="--city"):
        check_submission_file(path, "humob2024", None, None)


def test_command_caps_the_list_and_counts_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = saved(tmp_path / "good.csv", rows("humob2024", "D"))
    assert check_submission_file(good, "humob2024", "D", None) == 0
    assert "keeps the rules" in capsys.readouterr().out
    bad = saved(tmp_path / "bad.csv", [f"{row.rsplit(',', 1)[0]},0" for row in rows("humob2024", "D")])
    assert check_submission_file(bad, "humob2024", "D", None) == 2
    out = capsys.readouterr().out.splitlines()
    assert len(out) == MOST_LINES + 1
    assert out[-1].endswith(f"3,000 faults; {3000 - MOST_LINES:,} more are not shown")
