"""Storages: what they may be, what is said of one that cannot serve, and a journal whose last line was cut off."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest
from study_text import TEXT
from toy_driver import drive

from bench.errors import UserError
from bench.study.search import storage
from bench.study.search.address import Address
from bench.study.spec import reading
from bench.study.spec.schema import Study

FILES = Path(__file__).with_name("files")


def study_of(folder: Path, *overrides: str) -> Study:
    """Write a study file; return the study of its first model."""
    path = folder / "tiny.yaml"
    path.write_text(TEXT)
    return reading.load(path, overrides=overrides)[0]


def opened(study: Study, spec: str, *, accept: bool = False) -> optuna.Study:
    """Open a study in a storage."""
    address = Address.parse(spec)
    return storage.open_study(study, storage.open_storage(address), address, accept=accept)


def wrong(study: Study, spec: str, *, accept: bool = False) -> str:
    """Open a storage that cannot serve; return what is said, in one line a fault."""
    with pytest.raises(UserError) as raised:
        opened(study, spec, accept=accept)
    assert all("\n" not in message for message in raised.value.messages)
    return str(raised.value)


@pytest.mark.parametrize("name", ["", "/", "/:memory:", "/file::memory:?uri=true", "/file:x?mode=memory&uri=true"])
def test_trials_in_memory_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"trials in memory are lost when the command ends; write sqlite:///FILE"):
        Address.parse(f"sqlite://{name}", "--storage")


@pytest.mark.parametrize("form", ["sqlite:///{}", "journal:{}"])
def test_the_home_folder_is_expanded(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    opened(study_of(tmp_path), form.format("~/deep/x.db"))
    assert (tmp_path / "home" / "deep" / "x.db").stat().st_size > 0
    assert not (tmp_path / "~").exists()


def torn(folder: Path) -> Path:
    """Copy a journal whose last write was cut off."""
    return Path(shutil.copy(FILES / "journal_torn.log", folder / "journal.log"))


def test_a_torn_journal_is_mended_and_its_trials_are_kept(tmp_path: Path) -> None:
    path = torn(tmp_path)
    whole = path.read_bytes()
    address = Address.parse(f"journal:{path}")
    assert storage.mend_journal(address) == 37
    assert path.read_bytes() == whole[:-37]
    assert storage.mend_journal(address) == 0
    study = reading.load(FILES / "tiny_study.yaml")[0]
    found = storage.open_study(study, storage.open_storage(address), address, accept=True)
    assert [trial.state.name for trial in found.trials] == ["COMPLETE", "COMPLETE"]
    assert found.best_value == pytest.approx(0.12267301647481599)


@pytest.mark.parametrize("cut", [1, 2, 37, 60])
def test_a_study_goes_on_wherever_the_last_write_was_cut_off(tmp_path: Path, cut: int) -> None:
    path, log = tmp_path / "study.log", tmp_path / "log.txt"
    (tmp_path / "tiny.yaml").write_text(TEXT)
    drive(str(tmp_path / "tiny.yaml"), f"journal:{path}", str(log), 0.0, 1)
    os.truncate(path, path.stat().st_size - cut)
    drive(str(tmp_path / "tiny.yaml"), f"journal:{path}", str(log), 0.0, 1)
    assert log.read_text().splitlines()[-1].startswith("[6/6]")
    found = opened(study_of(tmp_path), f"journal:{path}").trials
    assert sum(trial.state.name == "COMPLETE" for trial in found) == 6


@pytest.mark.parametrize("text", ["notes without an end of line", '{"a": 1}\n{"b"', ""])
def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    assert storage.mend_journal(Address.parse(f"journal:{path}")) == 0
    assert path.read_text() == text


def test_a_storage_that_cannot_serve_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LOCKED_AFTER_S", 0.2)
    study = study_of(tmp_path)
    (tmp_path / "text.db").write_text("no database at all, but text that is long enough to be looked at" * 50)
    assert "is not an Optuna storage (file is not a database)" in wrong(study, f"sqlite:///{tmp_path}/text.db")
    assert "is not a storage; write sqlite:///FILE" in wrong(study, "some where")
    unreachable = wrong(study, "postgresql+psycopg://bench:secret@127.0.0.1:1/none")
    assert "cannot be opened or reached (" in unreachable
    assert "secret" not in unreachable
    assert "its driver is missing (MySQLdb)" in wrong(study, "mysql://a@b/c")
    assert "is not a storage" in wrong(study, "mysql+no_such_driver://a@b/c")
    for number, line in enumerate(("no journal", '{"a": 1}', "12")):
        (tmp_path / f"{number}.log").write_text(line + "\n")
        assert "is not an Optuna journal" in wrong(study, f"journal:{tmp_path}/{number}.log")
    with sqlite3.connect(tmp_path / "foreign.db") as holder:
        holder.execute("CREATE TABLE studies (a INT)")
    assert "(table studies has no column" in wrong(study, f"sqlite:///{tmp_path}/foreign.db")
    (tmp_path / "file").write_text("")
    assert "cannot be opened (" in wrong(study, f"sqlite:///{tmp_path}/file/study.db")
    spec = f"sqlite:///{tmp_path}/study.db"
    opened(study, spec)
    with sqlite3.connect(tmp_path / "study.db") as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "(database is locked)" in wrong(study, spec)
        holder.rollback()


def test_a_storage_that_goes_away_is_told_without_its_password() -> None:
    from sqlalchemy.exc import OperationalError

    address = Address.parse("postgresql+psycopg://bench:secret@there/none", "x.yaml:9: study.storage")
    with pytest.raises(UserError) as raised, address.told():
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly\nand said so"))
    place = "x.yaml:9: study.storage postgresql+psycopg://bench:***@there/none"
    said = "failed (server closed the connection unexpectedly and said so); the same command resumes the study"
    assert str(raised.value) == f"{place}: {said}"


def test_a_storage_of_another_study_is_refused(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"sqlite:///{tmp_path}/study.db"
    other = optuna.create_study(storage=spec, study_name=study.name, directions=["maximize", "minimize"])
    other.add_trial(optuna.trial.create_trial(values=[0.0, 1.0]))
    assert "was not made by this program" in wrong(study, spec)
    spec = f"sqlite:///{tmp_path}/one.db"
    optuna.create_study(storage=spec, study_name=study.name, directions=["maximize"])
    assert "was not made by this program" in wrong(study, spec)


def test_a_changed_file_is_told_and_goes_on_only_when_told(tmp_path: Path) -> None:
    spec = f"sqlite:///{tmp_path}/study.db"
    opened(study_of(tmp_path), spec)
    opened(study_of(tmp_path, "study.n_trials=2", "about=Otherwise said."), spec)  # totals and words may change
    changes = ("users.train=9", "study.asked=4", "seeds=[0, 1]")
    said = wrong(study_of(tmp_path, *changes), spec)
    for part in ("users.train: 10 -> 9", "study.asked: 5 -> 4", "seeds: [0] -> [0, 1]"):
        assert sum(f": {part} since" in line and "--accept-changes" in line for line in said.splitlines()) == 1
    opened(study_of(tmp_path, *changes), spec, accept=True)
    opened(study_of(tmp_path, *changes), spec)
    (tmp_path / "tiny.yaml").write_text(TEXT.replace("train: 10, v", "train: 12, v"))
    changed = reading.load(tmp_path / "tiny.yaml")[0]
    assert f"tiny.yaml:9: users.train: 9 -> 12 since the trials of '{changed.name}' began" in wrong(changed, spec)
    moved = study_of(tmp_path, *changes, "study.space={users.train: [3, 4]}")
    assert "raise the file's version" in wrong(moved, spec, accept=True)


def test_replaced_rows_are_told_and_accepted_once_when_told(tmp_path: Path) -> None:
    spec = f"sqlite:///{tmp_path}/study.db"
    found, address = opened(study_of(tmp_path), spec), Address.parse(spec)
    storage.agree_on_data(found, {"B": "1", "C": "2"}, address, accept=False)
    storage.agree_on_data(found, {"B": "1", "D": "3"}, address, accept=False)
    with pytest.raises(UserError, match="the rows of C have changed since the trials of 'tiny 1 default user"):
        storage.agree_on_data(found, {"C": "9"}, address, accept=False)
    storage.agree_on_data(found, {"C": "9"}, address, accept=True)
    storage.agree_on_data(found, {"C": "9"}, address, accept=False)
