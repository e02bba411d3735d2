"""Studies killed with SIGKILL, and workers killed beside others: no point lost, none run twice to the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pytest
from test_mixes import HERE, TEXT, write_city

from bench.study.search import storage
from bench.study.search.claims import is_void

pytestmark = pytest.mark.slow
POINTS = 7


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders with the same study, whose name is its own in a shared server."""
    found = []
    for name in ("whole", "broken"):
        folder = tmp_path / name
        (folder / "cities").mkdir(parents=True)
        for city, homes in {"A": [50], "B": [50], "C": [150], "T": [50, 150]}.items():
            write_city(folder / "cities", city, homes)
        text = TEXT.replace("name: known", f"name: k{abs(hash(str(tmp_path)))}-{name}")
        (folder / "known.yaml").write_text(text.replace("{use: moves}", "{use: moves, settings: {seconds: 0.5}}"))
        found.append(folder)
    return found


def start(folder: Path, spec: str, *words: str, background: bool = False) -> subprocess.Popen[bytes]:
    """Start ``bench study`` in a process group of its own; background: deaf to Ctrl-C, as a script's ``&`` makes it."""
    command = [sys.executable, "-m", "bench.cli.app", "study", "known.yaml", "--adapter", "study_models:Moves"]
    return subprocess.Popen(
        [*command, "--storage", spec, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.SIG_DFL),
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def trials(folder: Path, spec: str) -> dict[str, tuple[float, ...]]:
    """Return the values of every point that was run to the end; fail if one was twice."""
    store = storage.open_storage(spec)
    name = next(s.study_name for s in optuna.get_all_study_summaries(store) if folder.name in s.study_name)
    found = [t for t in optuna.load_study(study_name=name, storage=store).trials if t.state.is_finished()]
    done = [trial for trial in found if not is_void(trial)]
    assert {trial.state.name for trial in done} == {"COMPLETE"}
    assert set(Counter(str(trial.params) for trial in done).values()) == {1}
    return {str(trial.params): tuple(trial.values) for trial in done}


def test_killed_ten_times_a_study_ends_with_the_same_trials(folders: list[Path]) -> None:
    whole, broken = folders
    spec = "sqlite:///study.db"
    assert start(whole, spec).wait() == 0
    rng = np.random.default_rng(0)
    for _ in range(10):
        process = start(broken, spec)
        time.sleep(float(rng.uniform(0.5, 8.0)))
        kill(process)
    assert start(broken, spec).wait() == 0
    assert trials(broken, f"sqlite:///{broken}/study.db") == trials(whole, f"sqlite:///{whole}/study.db")
    assert len(trials(whole, f"sqlite:///{whole}/study.db")) == POINTS


@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_two_workers_and_one_killed_end_with_every_point_once(
    folders: list[Path], kind: str, request: pytest.FixtureRequest
) -> None:
    folder = folders[1]
    spec = f"journal:{folder}/study.log" if kind == "journal" else request.getfixturevalue("postgres")
    one, two = start(folder, spec), start(folder, spec)
    time.sleep(8.0)  # both are in the midst of a trial, or between two
    kill(one)
    assert two.wait() == 0
    assert len(trials(folder, spec)) == POINTS


def test_ctrl_c_gives_the_point_back(folders: list[Path]) -> None:
    folder = folders[1]
    spec = f"journal:{folder}/study.log"
    process = start(folder, spec)
    time.sleep(8.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert start(folder, spec).wait() == 0
    assert len(trials(folder, spec)) == POINTS


@pytest.mark.parametrize("background", [False, True])
def test_workers_end_with_the_command_that_started_them(folders: list[Path], background: bool) -> None:
    import psutil

    folder = folders[1]
    spec = f"journal:{folder}/study.log"
    process = start(folder, spec, "--workers", "2", background=background)
    time.sleep(8.0)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()  # the command alone, not its group
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE] == []
    assert start(folder, spec).wait() == 0
    assert len(trials(folder, spec)) == POINTS


def test_one_command_with_two_workers(folders: list[Path]) -> None:
    folder = folders[1]
    spec = f"journal:{folder}/study.log"
    assert start(folder, spec, "--workers", "2").wait() == 0
    assert len(trials(folder, spec)) == POINTS
    assert len(list((folder / "runs").rglob("study.md"))) == 1
