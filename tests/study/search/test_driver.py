"""What a driver asks and tells: no point twice, none lost, whatever stopped the driver before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from study_text import STORAGES, TEXT, spec_of
from toy_driver import toy_score

from bench.errors import UserError
from bench.study.outcome.outcome import DONE, UNRANKED, importances, read_trials
from bench.study.search import next_trial, storage
from bench.study.search.address import Address
from bench.study.search.driver import Driver, OnValidationScore
from bench.study.search.evaluate import Failed, Scored
from bench.study.search.next_trial import Asker, is_void
from bench.study.spec import reading
from bench.study.spec.schema import Point, Study

ENDLESS = "study.space={shares.B: {low: 0.1, high: 1}, shares.C: {low: 0.1, high: 1}}"


def study_of(folder: Path, *overrides: str) -> Study:
    """Write a study file of its own name; return the study of its first model."""
    path = folder / "tiny.yaml"
    path.write_text(TEXT.replace("name: tiny", f"name: d{abs(hash(str(folder)))}"))
    return reading.load(path, overrides=overrides)[0]


def opened(study: Study, spec: str) -> optuna.Study:
    """Open a study."""
    address = Address.parse(spec)
    return storage.open_study(study, storage.open_storage(address), address, accept=True)


def drive(
    study: Study,
    spec: str,
    score: Callable[[Point, OnValidationScore | None], Scored] = lambda point, _: toy_score(point),
    workers: int = 1,
) -> list[str]:
    """Drive a study; return what was said."""
    said: list[str] = []
    Driver(study, opened(study, spec), score, said.append, workers=workers).run()
    return said


def points(study: Study, spec: str) -> list[str]:
    """Return the points that were run to the end, in order."""
    return [
        str(trial.params) for trial in opened(study, spec).trials if trial.state.is_finished() and not is_void(trial)
    ]


@pytest.mark.parametrize("kind", STORAGES)
def test_a_resumed_study_goes_on_to_its_total_and_repeats_nothing(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    spec = spec_of(kind, tmp_path, request)
    drive(study_of(tmp_path, "study.n_trials=3"), spec)
    whole = study_of(tmp_path)
    assert points(whole, spec) == [str(point) for point in whole.points()[:3]]
    said = drive(whole, spec)
    assert points(whole, spec) == [str(point) for point in whole.points()]
    assert len(said) == 3
    assert said[-1].startswith("[6/6] user_mode B+C, 10 in all: geobleu@humob24 ")


def test_workers_run_at_once_and_share_the_points(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"sqlite:///{tmp_path}/study.db"
    together = threading.Barrier(3, timeout=60)

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        together.wait()  # passes only where three trials run at once
        return toy_score(point)

    drive(study, spec, score, workers=3)
    assert sorted(points(study, spec)) == sorted(str(point) for point in study.points())


@pytest.mark.parametrize("sampler", ["TPESampler", "{NSGAIISampler: {population_size: 3}}", "RandomSampler"])
def test_a_sampler_repeats_no_point_of_a_finite_space(
    tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_trial, "REPEATS", 2)
    study, spec = study_of(tmp_path, f"study.sampler={sampler}"), f"journal:{tmp_path}/study.log"
    drive(study, spec)
    assert sorted(points(study, spec)) == sorted(str(point) for point in study.points())


def test_a_resumed_random_search_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    drawn = []
    for stops, folder in (((5,), "whole"), ((2, 3, 5), "broken")):
        (tmp_path / folder).mkdir()
        spec = f"journal:{tmp_path}/{folder}/study.log"
        for total in stops:
            study = study_of(tmp_path / folder, ENDLESS, "study.sampler=RandomSampler", f"study.n_trials={total}")
            drive(study, spec)
        drawn.append(points(study, spec))
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 5


@pytest.mark.parametrize("space", [[], [ENDLESS, "study.sampler=RandomSampler", "study.n_trials=3"]])
def test_trials_of_a_dead_driver_are_told_as_failed_and_their_points_run_again(
    tmp_path: Path, space: list[str]
) -> None:
    study, spec = study_of(tmp_path, *space), f"journal:{tmp_path}/study.log"
    dead = Asker(study, opened(study, spec))
    left = [dead.next(), dead.next()]
    dead.opened.ask()  # killed before it had chosen anything
    dead.opened.enqueue_trial(study.points()[0] if study.points() else {"shares.B": 0.5, "shares.C": 0.5})
    said = drive(study, spec)
    assert said[0] == "user_mode: 3 unfinished trials of a stopped run will run again"
    found = points(study, spec)
    assert len(found) == len(set(found)) == study.total
    assert {str(trial.params) for trial in left if trial} <= set(found)
    assert {trial.state.name for trial in opened(study, spec).trials} <= {"COMPLETE", "FAIL"}


def test_what_stops_a_study_ends_it_and_costs_no_trial(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"journal:{tmp_path}/study.log"

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        if point == study.points()[2]:
            raise UserError("city_A.csv:3: is broken")
        return toy_score(point)

    with pytest.raises(UserError, match="is broken"):
        drive(study, spec, score)
    assert len(points(study, spec)) == 2
    drive(study, spec)
    assert points(study, spec) == [str(point) for point in study.points()]


def test_an_interrupt_waits_for_the_workers_and_gives_their_points_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.running import executor

    study, spec = study_of(tmp_path), f"journal:{tmp_path}/study.log"
    ended = threading.Event()

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        if point == study.points()[1]:
            ended.wait(60)  # as a worker that stop_all ends
            raise Failed("no record")
        return toy_score(point)

    def still_alone() -> None:
        if points(study, spec):  # one has ended, and the next one runs
            raise KeyboardInterrupt

    monkeypatch.setattr(executor, "stop_all", ended.set)
    with pytest.raises(KeyboardInterrupt):
        Driver(study, opened(study, spec), score, lambda _: None, workers=2).run(still_alone)
    assert ended.is_set()
    assert len(points(study, spec)) == 1
    drive(study, spec)
    assert sorted(points(study, spec)) == sorted(str(point) for point in study.points())


def test_a_failed_trial_counts_with_its_reason_and_a_score_that_is_not_finite_is_a_failure(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"journal:{tmp_path}/study.log"

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        if point == study.points()[0]:
            raise Failed("city C, seed 0: no such luck")
        return Scored({"geobleu@humob24": {"C": [float("nan")]}}, {}, 10, ())

    drive(study, spec, score)
    drive(study, spec)  # failures are not tried again
    trials = read_trials(opened(study, spec))
    assert {trial.state for trial in trials} == {"failed"}
    assert [trial.why for trial in trials[:2]] == [
        "failed: city C, seed 0: no such luck",
        "failed: an objective is not a finite number",
    ]


def test_a_trial_that_a_leaderboard_would_not_rank_cannot_win(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"journal:{tmp_path}/study.log"

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        fine = toy_score(point)
        filled = point == study.points()[3]
        return Scored({"geobleu@humob24": {"C": [99.0]}}, {}, 0, (), "100 % filled", 0.95) if filled else fine

    said = drive(study, spec, score)
    assert said[3].endswith("; not ranked: 100 % filled (0 s)")
    found = opened(study, spec)
    trials = read_trials(found)
    assert [trial.state for trial in trials] == [DONE] * 3 + [UNRANKED] + [DONE] * 2
    assert trials[3].why == "100 % filled"
    assert 3 not in [trial.number for trial in found.best_trials]  # Optuna and its samplers see it as infeasible
    assert found.best_trials
    assert importances(found, study).keys() == {"geobleu@humob24"}


def test_a_hopeless_trial_is_pruned(tmp_path: Path) -> None:
    pruner = "study.pruner={MedianPruner: {n_startup_trials: 1, n_warmup_steps: 1}}"
    study = study_of(tmp_path, "study.objectives={geobleu@humob24: maximize}", pruner)
    spec, steps = f"journal:{tmp_path}/study.log", list[int]()

    def score(point: Point, on_validation_score: OnValidationScore | None) -> Scored:
        assert on_validation_score
        steps.append(0)
        for step in range(4):
            steps[-1] += 1
            on_validation_score(step, step / len(steps))
        return toy_score(point)

    drive(study, spec, score)
    assert steps == [4, 2, 2, 2, 2, 2]
    assert [trial.state for trial in read_trials(opened(study, spec))] == [DONE] + ["pruned"] * 5


def test_time_up_means_no_further_trial(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path, "study.timeout=0.05"), f"journal:{tmp_path}/study.log"

    def score(point: Point, _: OnValidationScore | None) -> Scored:
        time.sleep(0.1)
        return toy_score(point)

    drive(study, spec, score)
    assert len(points(study, spec)) == 1


def test_a_grid_tries_its_first_points_and_is_not_listed_beyond(tmp_path: Path) -> None:
    wide = "study.space={shares.B: {low: 0, high: 1, step: 0.0001}, shares.C: {low: 0, high: 1, step: 0.0001}}"
    study = study_of(tmp_path, wide, "study.n_trials=3")
    assert study.points() == [{"shares.B": 0.0, "shares.C": value} for value in (0.0, 0.0001, 0.0002)]
    with pytest.raises(UserError, match="more than a grid can list"):
        study_of(tmp_path, wide)


def test_trials_of_another_program_are_no_scores(tmp_path: Path) -> None:
    study, spec = study_of(tmp_path), f"journal:{tmp_path}/study.log"
    found = opened(study, spec)
    found.add_trial(create_trial(values=[0.5, 10.0], state=TrialState.COMPLETE))
    assert [trial.state for trial in read_trials(found)] == ["failed"]
