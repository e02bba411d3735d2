from __future__ import annotations

from pathlib import Path

import pytest

from bench.commands.data_files import convert_command, fetch_command
from bench.errors import UserError
from bench.sources import fetch


def test_convert_says_how_many_rows_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("uid,d,t,x,y\n1,1,0,5,6\n1,1,1,5,6\n")
    convert_command(tmp_path / "a.csv", tmp_path / "b.csv", 1, 0)
    assert capsys.readouterr().out == f"{tmp_path / 'b.csv'}: 2 rows; days count from 0 now\n"
    assert (tmp_path / "b.csv").read_text() == "uid,d,t,x,y\n1,0,0,5,6\n1,0,1,5,6\n"


def test_fetch_says_where_the_files_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.commands.data_files.LINE_EVERY_S", 0.0)

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
