"""A study whose driver is killed again and again ends with every point once, scored as if it never was."""

from __future__ import annotations

import multiprocessing
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
from study_text import STORAGES, TEXT, spec_of
from study_world import COMMAND, PYTHONPATH, make_world
from toy_driver import drive, toy_score

from bench.study.search import storage
from bench.study.search.address import Address
from bench.study.search.next_trial import is_void
from bench.study.spec import reading

GRID = "{cities: {subsets: [B, C]}, users.train: [4, 5, 6, 7]}"
ENDLESS = "{shares.B: {low: 0.1, high: 1}, shares.C: {low: 0.1, high: 1}}"
KILLS = {"sqlite": 10}  # of the other storages three: each proves that what a killed driver left is taken up
PAUSE = 0.1  # seconds a trial: else all points are done before the last kill
PRELOADED = ("bench.study.search.driver", "bench.study.spec.reading", "optuna.storages.journal", "psycopg", "numba")


def done(study: str, spec: str) -> dict[str, tuple[float, ...]]:
    """Return the values of every point that was run to the end; fail if one was twice, or ended otherwise."""
    store = storage.open_storage(Address.parse(spec))
    found = [t for t in optuna.load_study(study_name=study, storage=store).trials if not is_void(t)]
    assert {trial.state.name for trial in found} == {"COMPLETE"}
    assert set(Counter(str(trial.params) for trial in found).values()) == {1}
    return {str(trial.params): tuple(trial.values) for trial in found}


def write(folder: Path, space: str, *lines: str) -> Path:
    """Write a study of a name of its own."""
    text = TEXT.replace("name: tiny", f"name: k{abs(hash(str(folder)))}")
    before, after = text.split("  space:\n")
    rest = after[after.index("  objectives:") :]
    path = folder / "tiny.yaml"
    path.write_text("".join([before, f"  space: {space}\n", rest, *(f"  {line}\n" for line in lines)]))
    return path


def kill_and_complete(path: Path, spec: str, kills: int) -> None:
    """Kill drivers of a study, each at a random moment while its trials run; let the last one end."""
    log = path.with_name("log.txt")
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(list(PRELOADED))
    rng = np.random.default_rng(0)
    for kill in range(kills):
        driver = start.Process(target=drive, args=(str(path), spec, str(log), PAUSE, 2))
        driver.start()
        while not log.exists() or log.read_text().count("[") < kill + 1:
            assert driver.is_alive()
            time.sleep(0.005)
        time.sleep(float(rng.uniform(0, 0.05)))
        driver.kill()
        driver.join()
    drive(str(path), spec, str(log), 0.0, 2)
    assert "of a stopped run will run again" in log.read_text()


@pytest.mark.parametrize("kind", STORAGES)
def test_a_study_killed_again_and_again_ends_with_every_point_once(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    spec, path = spec_of(kind, tmp_path, request), write(tmp_path, GRID)
    kill_and_complete(path, spec, KILLS.get(kind, 3))
    study = reading.load(path)[0]
    wanted = {str(point): (toy_score(point).value("geobleu@humob24"), 10.0) for point in study.points()}
    assert done(study.name, spec) == wanted
    assert len(wanted) == 12


def test_an_endless_study_killed_again_and_again_tries_the_points_of_the_dead_again(tmp_path: Path) -> None:
    spec, path = f"sqlite:///{tmp_path}/study.db", write(tmp_path, ENDLESS, "sampler: RandomSampler", "n_trials: 12")
    kill_and_complete(path, spec, 5)
    study = reading.load(path)[0]
    ended = done(study.name, spec)
    left = [
        t for t in optuna.load_study(study_name=study.name, storage=spec).trials if is_void(t) and len(t.params) == 2
    ]
    assert left
    assert {str(trial.params) for trial in left} <= set(ended)
    assert len(ended) == 12


def start(folder: Path, spec: str, *words: str) -> subprocess.Popen[bytes]:
    """Start ``bench study`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.cli.app", *COMMAND, "--storage", spec, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
def test_the_command_killed_or_interrupted_leaves_no_worker_and_completes(tmp_path: Path) -> None:
    import psutil

    make_world(tmp_path, "{use: moves, settings: {seconds: 0.5}}")
    spec = f"sqlite:///{tmp_path}/study.db"
    for number, stop in enumerate((signal.SIGKILL, signal.SIGINT)):
        process = start(tmp_path, spec, "--workers", "2")
        command = psutil.Process(process.pid)
        while not (workers := command.children(recursive=True)):
            time.sleep(0.05)
        process.send_signal(stop)  # the command alone, not its group
        assert process.wait(timeout=60) == (-signal.SIGKILL, 130)[number]
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE] == []
    assert start(tmp_path, spec, "--workers", "2").wait() == 0
    name = next(iter(optuna.get_all_study_summaries(spec))).study_name
    assert len(done(name, spec)) == 7
    assert len(list((tmp_path / "runs").rglob("study.md"))) == 1
