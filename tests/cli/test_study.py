"""bench study before its first trial: storages that are refused or mended, in one line each."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bench.cli import app
from bench.cli.study import Order, _open
from bench.study.spec import reading

FILES = Path(__file__).resolve().parents[1] / "study" / "search" / "files"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study and a journal whose last write was cut off."""
    for name in ("tiny_study.yaml", "journal_torn.log"):
        shutil.copy(FILES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("sqlite:///:memory:", "trials in memory are lost when the command ends; write sqlite:///FILE"),
        ("sqlite://", "trials in memory are lost when the command ends; write sqlite:///FILE"),
        (
            "some\x1b[31mwhere",
            "is not a storage; write sqlite:///FILE, journal:FILE or postgresql+psycopg://USER@HOST/NAME",
        ),
    ],
)
def test_a_storage_that_would_lose_the_trials_is_refused_before_any_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], storage: str, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "study", "tiny_study.yaml", "--storage", storage])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: --storage {storage!r}: {said}"
    assert not (folder / "runs").exists()


def order(storage: str) -> Order:
    """Ask for the folder's study."""
    return Order(Path("tiny_study.yaml"), None, None, (), (), Path("runs"), storage, 1, True, None)


def test_a_torn_journal_is_mended_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study,) = reading.load(Path("tiny_study.yaml"))
    for _ in range(2):
        with _open(order("journal:journal_torn.log"), study) as drive:
            assert [trial.state.name for trial in drive.opened.trials] == ["COMPLETE", "COMPLETE"]
    assert capsys.readouterr().err == (
        "--storage journal:journal_torn.log: the last line was cut off; its 37 bytes are removed\n"
    )


def test_the_home_folder_of_a_storage_is_expanded(folder: Path) -> None:
    (study,) = reading.load(Path("tiny_study.yaml"))
    with _open(order("sqlite:///~/x.db"), study):
        pass
    assert (folder / "home" / "x.db").exists()
    assert not (folder / "~").exists()
