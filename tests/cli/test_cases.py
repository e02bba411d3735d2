"""Files that users' tools write, given to the commands: what is printed, and the exit code."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.cli.app import main

CASES = Path(__file__).parent.parent / "data" / "cases"
CSV, TALK = CASES / "csv", CASES / "conversations"
PLAIN = 0.6333232049772063  # GEO-BLEU (HuMob 2024) of plain.csv
SEEN = [
    (1, 10, 101, 121),
    (1, 20, 102, 121),
    (1, 30, 100, 121),
    (2, 10, 101, 120),
    (2, 20, 102, 120),
    (2, 30, 100, 120),
]
ASKED, ANSWERED = [(3, 10, 999, 999), (3, 20, 999, 999)], [(3, 10, 100, 121), (3, 20, 101, 121)]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> Ran:
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, words)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return Ran(code or 0, *capsys.readouterr())


@pytest.mark.parametrize(
    ("name", "score", "note"),
    [
        ("plain.csv", PLAIN, ""),
        ("with_history.csv", PLAIN, "90 rows outside days 60-62 are not scored"),
        ("float_xy.csv", PLAIN, ""),
        ("float_all.csv", PLAIN, ""),
        ("semicolon.csv", PLAIN, ""),
        ("tab.tsv", PLAIN, ""),
        ("sepline.csv", PLAIN, ""),
        ("utf16.csv", PLAIN, ""),
        (
            "zero_based.csv",
            0.3060357298115414,
            "0 of 54 cells are right; 25 would be if all were one higher. They seem to count from 0: "
            "add 1 to x and y, then score again",
        ),
    ],
)
def test_what_can_be_read_is_scored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, score: float, note: str
) -> None:
    ran = bench(monkeypatch, capsys, "score", CSV / name, "--truth", CSV / "truth.csv", "--days", "60-62", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["scores"]["geobleu@humob24"]["mean"] == score
    assert ran.err == (f"note: {CSV / name}: {note}\n" if note else "")


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("nan_float.csv", 2, "line 7: x is blank"),
        ("blank.csv", 2, "line 7: x is blank"),
        ("minus_one.csv", 4, "line 5: x = -1 is outside 1..200"),
        ("zip.csv.zip", 1, "is a ZIP archive (plain.csv); unpack it"),
        ("book.xlsx", 1, "is an Excel workbook; save the sheet as CSV UTF-8"),
        ("control_bytes.csv", 1, r"holds '\x1b[31mred\x1b[0m\x1b]0;owned\x07,b,c', none of the columns"),
    ],
)
def test_what_cannot_be_scored_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, lines: int, said: str
) -> None:
    ran = bench(monkeypatch, capsys, "score", CSV / name, "--truth", CSV / "truth.csv", "--days", "60-62")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == lines
    assert said in ran.err.splitlines()[0]
    assert all(line.isprintable() for line in ran.err.splitlines())


@pytest.mark.parametrize(
    ("name", "users", "rest"),
    [
        ("crlf_noanswer.json", [7], ASKED),
        ("trail_space.json", [7], ASKED),
        ("mixed_float.json", [7], ASKED),
        ("crlf_content.json", [7], ANSWERED),
        ("no_uid.json", [1, 2], ANSWERED),
        ("lines.jsonl", [7, 8], ANSWERED),
        ("bom.json", [7], ANSWERED),
        ("uid_text.json", [7, 8], ANSWERED),
    ],
)
def test_conversations_become_all_of_their_rows(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    users: list[int],
    rest: list[tuple[int, ...]],
) -> None:
    target = tmp_path / "rows.csv"
    ran = bench(monkeypatch, capsys, "data", "convert", TALK / name, target)
    assert ran == (0, f"{target}: {8 * len(users)} rows\n", "")
    rows = [tuple(map(int, line.split(","))) for line in target.read_text().splitlines()[1:]]
    assert rows == [(uid, *row) for uid in users for row in [*SEEN, *rest]]


@pytest.mark.parametrize("name", ["no_uid.json", "crlf_content.json", "trail_space.json", "lines.jsonl", "bom.json"])
def test_any_of_them_is_a_template(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    window = ("--history", 55, 59, "--horizon", 60, 62)
    target = tmp_path / "talk.json"
    ran = bench(
        monkeypatch, capsys, "data", "convert", CSV / "truth.csv", target, "--to", "conversations", *window,
        "--template", TALK / name,
    )  # fmt: skip
    assert ran == (0, f"{target}: 3 conversations with answers\n", "")
    first = json.loads(target.read_text())[0]["messages"][1]["content"].split("\n")
    assert first[0].startswith("Here")
    assert first[1].startswith("55 8 105 140")


@pytest.mark.slow  # a worker for each model
def test_answers_that_are_no_cells_are_counted_in_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "city_B.csv").write_bytes((CSV / "truth.csv").read_bytes())
    (tmp_path / "city_C.csv").write_text("uid,d,t,x,y\n1,55,8,5,5\n1,60,8,5,5\n")
    invalid = {"float_all.csv": 0, "minus_one.csv": 2, "blank.csv": 1, "nan_float.csv": 1}
    models = [{"use": "replay", "name": name, "settings": {"answers": str(CSV / name)}} for name in invalid]
    (tmp_path / "run.yaml").write_text(REPLAYED.format(data=tmp_path, models=json.dumps(models)))
    assert bench(monkeypatch, capsys, "run", tmp_path / "run.yaml", "--out", tmp_path / "runs").code == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/records/*.json")]
    assert {record["case"]["model"]: record["answers"]["invalid"] for record in records} == invalid


REPLAYED = """
schema: 1
name: replayed
version: 1
about: Answers from files.
data: {{source: "humob:{data}", cities: [B, C]}}
window: {{history: [55, 59], horizon: [60, 62]}}
splits:
  - {{train: {{cities: [C], days: [55, 62]}}, test: [B]}}
users: {{train: 1, validate: 0, test: all, roles: city}}
models: {models}
metrics: {{main: geobleu@humob24, also: []}}
answers: {{fallback: last_cell, most_filled: 0.05}}
seeds: [0]
limits: {{fit_seconds: 60, predict_seconds: 60}}
"""
PROTOCOL = """
schema: 1
name: arrows
version: 1
about: From B → C, déjà vu.
data: {source: synthetic, cities: [B, C], seed: 1, options: {users: 30}}
window: {history: [50, 59], horizon: [60, 60]}
splits:
  - {train: {cities: [B], days: [50, 60]}, test: [C]}
users: {train: 5, validate: 0, test: 3, roles: hash}
models: [slot_mode]
metrics: {main: geobleu@humob24, also: []}
answers: {fallback: last_cell, most_filled: 0.05}
seeds: [0]
limits: {fit_seconds: 60, predict_seconds: 60}
"""


@pytest.mark.parametrize(
    ("encoding", "about"),
    [("ascii", "B ? C, d?j? vu."), ("cp1252", "B ? C, déjà vu."), ("utf-8", "B → C, déjà vu.")],
)
def test_output_in_another_encoding_replaces_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, encoding: str, about: str
) -> None:
    (tmp_path / "arrows.yaml").write_text(PROTOCOL, encoding="utf-8")
    (tmp_path / "→é.csv").write_text("hello\n")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert bench(monkeypatch, capsys, "check", tmp_path / "arrows.yaml").code == 0  # printed by print
    rules = ("--challenge", "humob2024", "--city", "D")
    assert bench(monkeypatch, capsys, "check", tmp_path / "→é.csv", *rules).code == 2  # printed by rich
    sys.stdout.flush()
    text = written.getvalue().decode(encoding)
    assert about in text
    assert "1 fields instead of 5" in text
