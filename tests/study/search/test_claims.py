"""Workers that share a study: every point is run once to the end, whoever is killed, in any storage."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial, TrialState
from study_text import TEXT

from bench.study.search import claims, storage
from bench.study.search.claims import Claims, is_void
from bench.study.spec import reading
from bench.study.spec.schema import Study

WORKER = Path(__file__).with_name("claim_worker.py")
STORAGES = ("sqlite", "journal", "postgres")


@pytest.fixture(params=STORAGES)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A storage of each kind."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return {"sqlite": f"sqlite:///{tmp_path}/study.db", "journal": f"journal:{tmp_path}/study.log"}[request.param]


def study_of(tmp_path: Path, *overrides: str) -> tuple[Path, Study]:
    """Write a study file of its own name; return it and the study of its first model."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT.replace("name: tiny", f"name: t{abs(hash(str(tmp_path)))}"))
    return path, reading.load(path, overrides=overrides)[0]


def opened(study: Study, spec: str) -> optuna.Study:
    """Open a study by a connection of its own, as another process would."""
    return storage.open_study(study, storage.open_storage(spec), spec, accept=False)


def finish(view: Claims, trial: Trial) -> None:
    """End a trial well."""
    view.opened.tell(trial, [0.0] * len(view.study.spec.objectives))


def test_workers_share_the_points_and_a_killed_one_loses_none(tmp_path: Path, spec: str) -> None:
    path, study = study_of(tmp_path)
    opened(study, spec)
    log = tmp_path / "log.txt"
    workers = [
        subprocess.Popen([sys.executable, WORKER, path, spec, log, str(number), "0.4"], stderr=subprocess.DEVNULL)
        for number in range(3)
    ]
    while not log.exists():  # one has finished a point: now kill it, perhaps in the midst of its next
        time.sleep(0.02)
    killed = workers.pop(0)
    killed.kill()
    killed.wait()
    for worker in workers:
        assert worker.wait(timeout=200) == 0  # one killed before it wrote its name is waited for
    done = [trial for trial in opened(study, spec).get_trials() if trial.state == TrialState.COMPLETE]
    points = Counter(tuple(sorted(trial.params.items())) for trial in done)
    assert len(points) == study.total == 6
    assert set(points.values()) == {1}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_workers_that_all_are_the_first_make_one_study(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    _, study = study_of(tmp_path)
    spec = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else fresh(request.getfixturevalue("postgres"))
    gate = threading.Barrier(3)

    def begin(_: int) -> int:
        gate.wait()
        return int(opened(study, spec)._study_id)

    with ThreadPoolExecutor(3) as workers:
        assert len(set(workers.map(begin, range(3)))) == 1


def fresh(url: str) -> str:
    """Make an empty database on a server; return its URL."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
        server.execute("CREATE DATABASE fresh")
    return f"{url.rpartition('/')[0]}/fresh"


def test_two_views_never_run_one_point(tmp_path: Path, spec: str) -> None:
    _, study = study_of(tmp_path)
    one, two = Claims(study, opened(study, spec)), Claims(study, opened(study, spec))
    two.me = one.me  # both live in this process
    taken = []
    for _ in range(3):
        for view in (one, two):
            trial = view.next()
            assert trial is not None
            taken.append(tuple(sorted(trial.params.items())))
    assert len(set(taken)) == 6


def test_of_two_with_one_point_the_lower_number_goes_on(tmp_path: Path) -> None:
    _, study = study_of(tmp_path)
    spec = f"sqlite:///{tmp_path}/study.db"
    one, two = Claims(study, opened(study, spec)), Claims(study, opened(study, spec))
    two.me = one.me
    point = study.points()[0]
    for view in (one, two):
        view.opened.enqueue_trial(point)
    first, second = one._ask(0), two._ask(0)
    assert (first.params, second.params) == (point, point)
    assert one._clash(first.number) is None
    assert two._clash(second.number) == f"same point as trial {first.number}"


def test_a_resumed_study_goes_on_to_its_total_and_repeats_nothing(tmp_path: Path, spec: str) -> None:
    _, study = study_of(tmp_path, "study.n_trials=3")
    view = Claims(study, opened(study, spec))
    while (trial := view.next()) is not None:
        finish(view, trial)
    assert len(view.standing()) == 3
    _, study = study_of(tmp_path)
    view = Claims(study, opened(study, spec))
    while (trial := view.next()) is not None:
        finish(view, trial)
    assert len({tuple(sorted(t.params.items())) for t in view.standing()}) == len(view.standing()) == 6


@pytest.mark.parametrize("sampler", ["TPESampler", "{NSGAIISampler: {population_size: 3}}", "RandomSampler"])
def test_a_sampler_repeats_no_point_of_a_finite_space(
    tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "REPEATS", 3)
    _, study = study_of(tmp_path, f"study.sampler={sampler}")
    view = Claims(study, opened(study, f"sqlite:///{tmp_path}/study.db"))
    while (trial := view.next()) is not None:
        finish(view, trial)
    assert len({tuple(sorted(t.params.items())) for t in view.standing()}) == len(view.standing()) == 6


def test_a_sampler_that_proposed_a_known_point_proposes_another(tmp_path: Path) -> None:
    _, study = study_of(tmp_path, "study.sampler=RandomSampler")
    view = Claims(study, opened(study, f"sqlite:///{tmp_path}/study.db"))
    assert len({str(view._ask(0, repeats).params) for repeats in range(8)}) > 1
    assert view._ask(0, 3).params == view._ask(0, 3).params


def test_a_resumed_random_search_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    space = "study.space={shares.B: {low: 0, high: 1}, shares.C: {low: 0, high: 1}}"
    drawn = []
    for stops, folder in (((6,), "whole"), ((2, 4, 6), "broken")):
        (tmp_path / folder).mkdir()
        for total in stops:
            _, study = study_of(tmp_path / folder, space, "study.sampler=RandomSampler", f"study.n_trials={total}")
            view = Claims(study, opened(study, f"sqlite:///{tmp_path}/{folder}/study.db"))
            while (trial := view.next()) is not None:
                finish(view, trial)
        drawn.append([trial.params for trial in view.standing()])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 6


def test_the_point_of_a_lost_worker_is_run_again(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LOST_AFTER_S", 0.2)
    _, study = study_of(
        tmp_path, "study.space={shares.B: {low: 0, high: 1}}", "study.sampler=RandomSampler", "study.n_trials=2"
    )
    lost = Claims(study, opened(study, spec))
    lost.me = "another-machine 1/2"
    trial = lost.next()
    assert trial is not None
    view = Claims(study, opened(study, spec))
    for _ in range(2):
        mine = view.next()
        assert mine is not None
        finish(view, mine)
    assert view.next() is None
    assert trial.params in [other.params for other in view.standing()]
    assert len(view.standing()) == 2
    void = [other for other in view.opened.get_trials() if is_void(other)]
    assert [other.number for other in void] == [trial.number]


def test_a_worker_that_shows_itself_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LOST_AFTER_S", 0.5)
    monkeypatch.setattr(claims, "BEAT_S", 0.05)
    _, study = study_of(tmp_path)
    spec = f"sqlite:///{tmp_path}/study.db"
    far, view = Claims(study, opened(study, spec)), Claims(study, opened(study, spec))
    far.me = "another-machine 1/2"
    trial = far.next()
    assert trial is not None
    with far.alive(trial):
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            assert [t.number for t in view.standing()] == [trial.number]
            time.sleep(0.05)


def test_a_worker_of_this_machine_is_not_lost_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LOST_AFTER_S", 0.0)
    _, study = study_of(tmp_path)
    spec = f"sqlite:///{tmp_path}/study.db"
    other, view = Claims(study, opened(study, spec)), Claims(study, opened(study, spec))
    trial = other.next()
    assert trial is not None
    view.me = "this one, so that the other is another"
    for _ in range(3):
        assert [t.number for t in view.standing()] == [trial.number]
        time.sleep(0.01)


def test_a_trial_whose_worker_wrote_no_name_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "LOST_AFTER_S", 0.05)
    _, study = study_of(tmp_path)
    view = Claims(study, opened(study, f"sqlite:///{tmp_path}/study.db"))
    view.opened.ask(view.distributions)  # killed before it said who it was
    assert len(view.standing()) == 1
    time.sleep(0.1)
    assert view.standing() == []


def test_a_transaction_on_sqlite_keeps_others_out_from_its_first_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    monkeypatch.setattr(storage, "LOCKED_AFTER_S", 0.1)
    one, two = (storage.open_storage(f"sqlite:///{tmp_path}/study.db") for _ in range(2))
    with one.engine.begin() as first:
        first.execute(text("SELECT count(*) FROM trials"))
        with pytest.raises(OperationalError, match="locked"), two.engine.begin():
            pass
    with two.engine.begin() as second:
        assert second.execute(text("SELECT count(*) FROM trials")).scalar() == 0


def test_what_was_given_to_another_is_dropped(tmp_path: Path) -> None:
    from bench.study.search import work
    from bench.study.search.evaluate import Scored

    _, study = study_of(tmp_path)
    view = Claims(study, opened(study, f"sqlite:///{tmp_path}/study.db"))
    trial = view.next()
    assert trial is not None

    class Slow:
        def score(self, *_: object, **__: object) -> Scored:
            view._give_up(trial.number, trial._trial_id, "its worker was lost")
            return Scored({"geobleu@humob24": {"C": [0.5]}}, {}, 10, ())

    assert work._run(study, view.opened, Slow(), trial).startswith("dropped")  # type: ignore[arg-type]
    assert view.standing() == []


def test_a_grid_tries_its_first_points_and_is_not_listed_beyond(tmp_path: Path) -> None:
    wide = "study.space={shares.B: {low: 0, high: 1, step: 0.0001}, shares.C: {low: 0, high: 1, step: 0.0001}}"
    _, study = study_of(tmp_path, wide, "study.n_trials=3")
    assert study.points() == [{"shares.B": 0.0, "shares.C": value} for value in (0.0, 0.0001, 0.0002)]
    with pytest.raises(storage.UserError, match="more than a grid can list"):
        study_of(tmp_path, wide)


def test_time_up_means_no_further_trial(tmp_path: Path) -> None:
    _, study = study_of(tmp_path)
    assert Claims(study, opened(study, f"sqlite:///{tmp_path}/study.db")).next(time.monotonic()) is None


def wrong(study: Study, spec: str, *, accept: bool = False) -> str:
    """Open a storage that cannot serve; return what is said, in one line a fault."""
    with pytest.raises(storage.UserError) as raised:
        storage.open_study(study, storage.open_storage(spec), spec, accept=accept)
    assert all("\n" not in message for message in raised.value.messages)
    return str(raised.value)


def test_a_storage_that_cannot_serve_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr(storage, "LOCKED_AFTER_S", 0.2)
    _, study = study_of(tmp_path)
    (tmp_path / "text.db").write_text("no database at all, but text that is long enough to be looked at" * 50)
    assert "no SQLite database" in wrong(study, f"sqlite:///{tmp_path}/text.db")
    assert "is no storage" in wrong(study, "some where")
    assert "cannot be reached" in wrong(study, "postgresql+psycopg://bench:secret@127.0.0.1:1/none")
    assert "secret" not in wrong(study, "postgresql+psycopg://bench:secret@127.0.0.1:1/none")
    assert "its driver is missing (MySQLdb)" in wrong(study, "mysql://a@b/c")
    assert "is no storage" in wrong(study, "mysql+no_such_driver://a@b/c")
    for number, line in enumerate(("no journal", '{"a": 1}', "12")):
        (tmp_path / f"{number}.log").write_text(line + "\n")
        assert "no journal of Optuna" in wrong(study, f"journal:{tmp_path}/{number}.log")
    spec = f"sqlite:///{tmp_path}/study.db"
    opened(study, spec)
    with sqlite3.connect(tmp_path / "foreign.db") as holder:
        holder.execute("CREATE TABLE studies (a INT)")
    assert "not those of this Optuna (table studies has no column" in wrong(study, f"sqlite:///{tmp_path}/foreign.db")
    with sqlite3.connect(tmp_path / "study.db") as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "is locked by another program" in wrong(study, spec)
        holder.rollback()


def test_a_storage_that_goes_away_is_told() -> None:
    from sqlalchemy.exc import OperationalError

    spec = "postgresql+psycopg://bench:secret@there/none"
    with pytest.raises(storage.UserError) as raised, storage.told(spec, "x.yaml:9: study.storage"):
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly\nand said so"))
    place = "x.yaml:9: study.storage postgresql+psycopg://bench:***@there/none"
    said = "it cannot be reached (server closed the connection unexpectedly and said so)"
    assert str(raised.value) == f"{place}: {said}"


def test_a_storage_of_another_study_is_refused(tmp_path: Path) -> None:
    _, study = study_of(tmp_path)
    spec = f"sqlite:///{tmp_path}/study.db"
    other = optuna.create_study(storage=spec, study_name=study.name, directions=["maximize", "minimize"])
    other.add_trial(optuna.trial.create_trial(values=[0.0, 1.0]))
    assert "is not of this program" in wrong(study, spec)
    spec = f"sqlite:///{tmp_path}/one.db"
    optuna.create_study(storage=spec, study_name=study.name, directions=["maximize"])
    assert "is not of this program" in wrong(study, spec)


def test_a_changed_file_is_told_and_goes_on_only_when_told(tmp_path: Path) -> None:
    spec = f"sqlite:///{tmp_path}/study.db"
    path, study = study_of(tmp_path)
    opened(study, spec)
    _, longer = study_of(tmp_path, "study.n_trials=2", "about=Otherwise said.")
    opened(longer, spec)  # totals and words may change
    _, changed = study_of(tmp_path, "users.train=9", "study.asked=4", "seeds=[0, 1]")
    said = wrong(changed, spec)
    for part in ("users.train: 10 -> 9", "study.asked: 5 -> 4", "seeds: [0] -> [0, 1]"):
        assert sum(f": {part} under" in line and "--accept-changes" in line for line in said.splitlines()) == 1
    storage.open_study(changed, storage.open_storage(spec), spec, accept=True)
    opened(changed, spec)
    path.write_text(path.read_text().replace("train: 10, v", "train: 12, v"))
    said = wrong(reading.load(path)[0], spec)
    assert f"tiny.yaml:9: users.train: 9 -> 12 under the trials of '{study.name}'" in said
    _, moved = study_of(tmp_path, "users.train=9", "study.asked=4", "seeds=[0, 1]", "study.space={users.train: [3, 4]}")
    assert "raise the file's version" in wrong(moved, spec, accept=True)
    assert [study.name for study in (study, changed)] == [study.name] * 2
