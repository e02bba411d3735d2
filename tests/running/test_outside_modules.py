"""An outsider's file or module reaches the worker, and nothing in the current folder comes before the project's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import HERE, TEXT

from bench.records.record import Record
from bench.records.record import read as read_record

MODEL = '''
from bench.adapters.adapter import PerUser
import numpy as np
import {helper}


class Mine(PerUser):
    """Answers with one cell."""

    name = "mine"

    def answer(self, history, queries, ctx):
        return np.full(len(queries), {helper}.CELL), np.full(len(queries), {helper}.CELL)
'''
TRAP = "raise RuntimeError('imported from the current folder')\n"


def run(folder: Path, *words: str, python_path: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``bench run`` as the installed command does: without the current folder on Python's path."""
    code = "import sys; sys.argv[0] = 'bench'; from bench.cli.app import main; main()"
    entries = [str(HERE.parent), *([python_path] if python_path else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entries)}
    command = [sys.executable, "-P", "-c", code, "run", "tiny.yaml", "--out", "runs", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def records(folder: Path) -> list[Record]:
    """Read what a run left."""
    return [read_record(path) for path in (folder / "runs" / "tiny" / "records").glob("*.json")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user who has packages and files with the names of ours, and of those that we use."""
    here = tmp_path / "work"
    here.mkdir()
    for package in ("bench", "models", "baselines"):
        (here / package).mkdir()
        (here / package / "__init__.py").write_text(TRAP)
    (here / "numpy.py").write_text(TRAP)
    (here / "tiny.yaml").write_text(TEXT.format(models=["user_mode"], limit=60))
    return here


def test_a_worker_imports_nothing_from_the_current_folder(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert [record.status for record in records(folder)] == ["done", "done"]


@pytest.mark.parametrize("target", ["my_model.py:Mine", "./my_model.py:Mine", "my_model:Mine", "my_package.inner:Mine"])
def test_a_file_or_module_of_the_current_folder_is_accepted(folder: Path, target: str) -> None:
    (folder / "my_helper.py").write_text("CELL = 7\n")
    (folder / "my_model.py").write_text(MODEL.format(helper="my_helper"))
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").write_text("")
    (folder / "my_package" / "inner.py").write_text(MODEL.format(helper="my_helper"))
    done = run(folder, "--adapter", target)
    assert done.returncode == 0, done.stderr
    assert sorted((record.case.model, record.status) for record in records(folder)) == [
        ("mine", "done"),
        ("mine", "done"),
        ("user_mode", "done"),
        ("user_mode", "done"),
    ]


def test_a_file_elsewhere_is_accepted(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "their_helper.py").write_text("CELL = 7\n")
    (tmp_path / "elsewhere" / "model.py").write_text(MODEL.format(helper="their_helper"))
    done = run(folder, "--adapter", f"{tmp_path / 'elsewhere' / 'model.py'}:Mine")
    assert done.returncode == 0, done.stderr
    assert all(record.status == "done" for record in records(folder))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gone.py:Mine", "there is no such file"),
        ("broken.py:Mine", "cannot import"),
        ("broken:Mine", "cannot import broken"),
        ("tiny.yaml:Mine", "cannot import"),
        ("my_model.py:Other", "holds no Adapter class"),
    ],
)
def test_what_is_no_adapter_is_an_error_of_one_line(folder: Path, target: str, says: str) -> None:
    (folder / "broken.py").write_text("import no_such_package\n")
    (folder / "my_helper.py").write_text("CELL = 7\n")
    (folder / "my_model.py").write_text(MODEL.format(helper="my_helper"))
    done = run(folder, "--adapter", target)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "runs").exists()


def test_an_outsider_is_imported_for_its_own_cases_only(folder: Path) -> None:
    assert run(folder).returncode == 0
    alone = {record.case.test_city: record.scores for record in records(folder)}
    (folder / "runs").rename(folder / "before")
    (folder / "my_helper.py").write_text("CELL = 7\n")
    spoil = "\nfrom baselines.statistics.user_mode import UserMode\nUserMode.answer = lambda *given: ([1], [1])\n"
    (folder / "my_model.py").write_text(MODEL.format(helper="my_helper") + spoil)
    assert run(folder, "--adapter", "my_model.py:Mine").returncode == 0
    beside = {r.case.test_city: r.scores for r in records(folder) if r.case.model == "user_mode"}
    assert beside == alone
