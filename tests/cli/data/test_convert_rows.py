from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli.app import app
from bench.cli.data.convert import convert_command
from bench.cli.data.fetch import fetch_command
from bench.data.files import fetch
from bench.errors import UserError
from models.llama_mob.prompts.conversations import read_conversations

ROWS = "uid,d,t,x,y\n1,0,3,5,6\n1,59,3,5,7\n1,60,3,5,8\n1,60,4,999,999\n2,0,3,5,6\n"


def test_convert_says_how_many_rows_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("uid,d,t,x,y\n1,1,0,5,6\n1,1,1,5,6\n")
    convert_command(tmp_path / "a.csv", tmp_path / "b.csv", 1, 0)
    assert capsys.readouterr().out == f"{tmp_path / 'b.csv'}: 2 rows; days now count from 0\n"
    assert (tmp_path / "b.csv").read_text() == "uid,d,t,x,y\n1,0,0,5,6\n1,0,1,5,6\n"


def converse(folder: Path, *options: str) -> Path:
    """Run bench data convert on ROWS as its user would."""
    (folder / "a.csv").write_text(ROWS)
    target = folder / "talk.json"
    app(
        ["data", "convert", str(folder / "a.csv"), str(target), "--to", "conversations", *options],
        standalone_mode=False,
    )
    return target


def test_rows_become_conversations_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = converse(tmp_path, "--ask")
    left = "; users left out, without rows in history or horizon: 1"
    assert capsys.readouterr().out == f"{target}: 1 conversations without answers{left}\n"
    (one,) = read_conversations(target)
    assert one.question.endswith("0 3 5 6\n59 3 5 7\n60 3 999 999\n60 4 999 999")
    assert one.answer is None
    convert_command(target, tmp_path / "b.csv", 0, 1)
    assert (tmp_path / "b.csv").read_text() == "uid,d,t,x,y\n1,1,3,5,6\n1,60,3,5,7\n1,61,3,999,999\n1,61,4,999,999\n"


def test_conversations_take_the_window_and_the_words_of_a_file(tmp_path: Path) -> None:
    (first,) = read_conversations(converse(tmp_path, "--history", "0", "0", "--horizon", "59", "60"))
    assert first.question.endswith("\n0 3 5 6\n59 3 999 999\n60 3 999 999")
    assert first.answer is not None
    assert first.answer.endswith(
        "            60,\n            3,\n            5,\n            8\n        ]\n    ]\n}\n```"
    )
    words = tmp_path / "words.json"
    words.write_text((tmp_path / "talk.json").read_text().replace("Records:", "What follows?"))
    (again,) = read_conversations(converse(tmp_path, "--template", str(words)))
    assert again.question.startswith("What follows?\n0 3 5 6\n59 3 5 7\n60 3 999")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--horizon", "50", "60"), "the horizon must follow the history"),
        (("--history", "9", "5"), "the horizon must follow the history"),
        (("--from-day", "2"), "the first day is 0"),
        (("--template", "none.json"), "none.json: cannot be read"),
    ],
)
def test_what_cannot_become_conversations(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        converse(tmp_path, *options)
    assert not (tmp_path / "talk.json").exists()


def test_days_of_conversations_count_from_zero(tmp_path: Path) -> None:
    target = converse(tmp_path)
    with pytest.raises(UserError, match="days of conversations count from 0"):
        convert_command(target, tmp_path / "b.csv", 1, 0)


def test_fetch_says_where_the_files_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cli.downloads.LINE_EVERY_S", 0.0)

    def stand_in(name: str, folder: Path, url: str | None, progress: fetch.Progress) -> list[Path]:
        path = folder / f"{name}.csv"
        path.write_bytes(b"12345")
        progress(path.name, 2_000_000, 5_000_000)
        return [path]

    monkeypatch.setattr(fetch, "fetch", stand_in)
    fetch_command("humob2024", tmp_path)
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == f"{tmp_path / 'humob2024.csv'}  5 bytes"
    assert f"--data humob:{tmp_path}" in told.out
    assert told.err == "humob2024.csv: 2 of 5 MB\n"


def test_fetch_of_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'humob2024'"):
        fetch_command("humob_2024", tmp_path)
