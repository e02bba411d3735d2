"""A study from its file to what it says, of cities built so that the answer is known: B repeats A, C differs."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import optuna
import pytest
from study_world import COMMAND, PYTHONPATH, TEXT, make_world, write_city

from bench.adapters import registry
from bench.cli import app
from bench.report.charts import files

DRAWS = files.available


@pytest.fixture
def cities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the study's file and its cities; models of the tests can be imported."""
    make_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    monkeypatch.setattr(registry, "FLOOR", ())
    monkeypatch.setattr(files, "available", lambda: False)
    return tmp_path


@pytest.fixture
def drawn(cities: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and studies draw their figures."""
    monkeypatch.setattr(files, "available", DRAWS)
    return cities


def study(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run ``bench study known.yaml``; return the exit code."""
    command = ["bench", *COMMAND, *words]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV."""
    with path.open() as file:
        return list(csv.DictReader(file))


PER_CITY, IN_ALL = "20 trajectories a city", "24 trajectories in all"
BOTH = ("--set", "study.space={cities: {subsets: [A, B, C]}, users.train: [20, {total: 24}]}", "--set", "seeds=[0, 1]")


@pytest.mark.parametrize(
    ("words", "contexts"), [((), (PER_CITY,)), pytest.param(BOTH, (PER_CITY, IN_ALL), marks=pytest.mark.slow)]
)
def test_a_study_says_which_city_repeats_another(
    drawn: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    contexts: tuple[str, ...],
) -> None:
    monkeypatch.setattr(registry, "FLOOR", ("user_mode",))
    assert study(monkeypatch, *words) == 0
    folder = drawn / "runs" / "known-humob"
    text = (folder / "study.md").read_text()
    for context in contexts:
        lines = {line[len(context) + 4]: line for line in text.splitlines() if line.startswith(f"- {context}: ")}
        assert "redundant once A is included" in lines["B"]
        assert "redundant once B is included" in lines["A"]
        assert "adds to C" in lines["A"]
        assert "adds to C" in lines["B"]
        assert "adds to A" in lines["C"]
        assert "adds to B" in lines["C"]
        assert "redundant" not in lines["C"]
        assert f"- {context}: No two Shapley values for the same target differ significantly (6 pairs)." in text
    said = capsys.readouterr()
    assert "redundant once A is included" in " ".join(said.out.split())
    total = 7 * len(contexts)
    assert said.err.count(f"[{total}/{total}]") == 1

    found = {
        (r["metric"], r["context"], r["kind"], r["city"], r["given"]): float(r["value"])
        for r in rows_of(folder / "cities.csv")
        if r["target"] == "all"
    }
    trials = {(r["cities"], r.get("users.train", "20")): r for r in rows_of(folder / "trials.csv")}
    assert len(trials) == total
    assert {r["state"] for r in trials.values()} == {"done"}
    for metric in ("geobleu@humob24", "dtw@fixed"):
        shapley = [found[metric, PER_CITY, "shapley", city, ""] for city in "ABC"]
        alone = float(trials["A", "20"][f"{metric}|all|value"]) - found[metric, PER_CITY, "adds", "A", "nothing"]
        whole = float(trials["A+B+C", "20"][f"{metric}|all|value"])
        assert sum(shapley) == pytest.approx(whole - alone, abs=1e-6)
        assert shapley[0] == pytest.approx(shapley[1], abs=1e-6)
        assert found[metric, PER_CITY, "adds", "B", "A"] == pytest.approx(0, abs=1e-9)
    assert "- Best trial: A+C (40 trajectories), GEO-BLEU (HuMob 2024) 1.000" in text
    assert "- Best trial minus user_mode: +" in text
    assert "- On test users, best trial minus all cities: +0.000 [+0.000, +0.000], minus user_mode: +" in text.replace(
        "\\", ""
    )
    assert "- Pareto front: A+C" in text
    assert float(trials["A+B+C", "20"]["geobleu@humob24|all|value"]) == pytest.approx(1.0)
    for row in rows_of(folder / "cities.csv"):
        low, value, high = (float(row[name]) for name in ("low", "value", "high"))
        assert low - 1e-6 <= value <= high + 1e-6
    assert {path.name for path in (folder / "figures").iterdir()} >= {"moves-front.svg", "moves-cities.svg"}


def test_test_users_are_asked_at_the_end_only_and_for_the_chosen_few(
    cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("--set", "study.space={cities: {subsets: [A, C]}}")
    assert study(monkeypatch, *few, "--set", "study.n_trials=2") == 0
    folder = cities / "runs" / "known-humob"
    validation = len(list((folder / "validation" / "records").iterdir()))
    tested = len(list((folder / "test" / "records").iterdir()))
    assert validation == 2 + 1  # two trials, and no city at all
    assert tested == 1 + 1  # winner and no city; A+C has not been tried
    assert study(monkeypatch, *few) == 0
    assert len(list((folder / "test" / "records").iterdir())) == 1 + 1 + 1
    fits = {path: path.stat().st_mtime_ns for path in (cities / "runs" / "store" / "fits").glob("*/fit.json")}
    assert len(fits) == 3 + 1  # the sets of cities, and the fallback, which learns nothing
    assert study(monkeypatch, *few) == 0  # everything is there
    assert fits == {path: path.stat().st_mtime_ns for path in (cities / "runs" / "store" / "fits").glob("*/fit.json")}


def test_a_failed_trial_carries_its_reason_and_the_study_goes_on(cities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert study(monkeypatch, "--set", "study.space={models.moves.breaks: [true, false]}", "--set", "seeds=[0]") == 1
    folder = cities / "runs" / "known-humob"
    states = [(row["state"], row["reason"]) for row in rows_of(folder / "trials.csv")]
    assert [state for state, _ in states] == ["failed", "done"]
    assert "no such luck" in states[0][1]
    assert "no such luck" in (folder / "study.md").read_text()


def test_choices_that_are_well_alone_and_not_together_fail_with_the_reason(
    cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = "study.space={window.history: [[0, 5], [0, 6]], window.horizon: [[6, 7], [7, 7]]}"
    (cities / "known.yaml").write_text(TEXT.replace("history: [0, 5]", "history: [0, 4]").replace("[6, 7]", "[7, 7]"))
    assert study(monkeypatch, "--set", space) == 1
    rows = rows_of(cities / "runs" / "known-humob" / "trials.csv")
    assert [row["state"] for row in rows] == ["done", "done", "failed", "done"]
    assert "must follow the history" in rows[2]["reason"]


def test_broken_data_stop_the_study_and_cost_no_trial(
    cities: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (cities / "cities" / "city_A.csv").read_text()
    (cities / "cities" / "city_A.csv").write_text(whole + "1,x,3,4,5\n")
    assert study(monkeypatch, "--set", "study.space={cities: [[A]]}") == 2
    assert "city_A.csv" in capsys.readouterr().err
    (cities / "cities" / "city_A.csv").write_text(whole)
    assert study(monkeypatch, "--set", "study.space={cities: [[A]]}") == 0


def test_replaced_data_are_noticed_and_go_on_only_when_told(
    cities: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--set", "study.space={cities: [[A], [C]]}")
    assert study(monkeypatch, *few, "--set", "study.n_trials=1") == 0
    write_city(cities / "cities", "B", [70])  # B trains nobody here
    assert study(monkeypatch, *few, "--set", "study.n_trials=1") == 0
    write_city(cities / "cities", "C", [70])
    assert study(monkeypatch, *few) == 2
    said = capsys.readouterr().err
    assert "the rows of C have changed since the trials" in said
    assert "--accept-changes" in said
    assert study(monkeypatch, *few, "--accept-changes") == 0
    assert study(monkeypatch, *few) == 0


def test_trials_that_asked_other_users_stand_without_intervals(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("--set", "study.space={cities: [[A], [B], [C]]}")
    assert study(monkeypatch, *few, "--set", "study.n_trials=1", "--set", "study.asked=8") == 0
    assert study(monkeypatch, *few, "--accept-changes", "--to", "published") == 0
    rows = rows_of(drawn / "published" / "trials.csv")
    assert [row["geobleu@humob24|all|low"] == "nan" for row in rows] == [True, False, False]
    text = (drawn / "published" / "study.md").read_text()
    assert "Trials without intervals: 1." in text
    assert "Made by bench study known.yaml --adapter study_models:Moves" in text
    assert "![moves-front](figures/moves-front.svg)" in text
    assert (drawn / "published" / "figures" / "moves-front.svg").exists()


def test_what_cannot_be_scored_beside_the_trials_is_said(cities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = ("--set", "study.space={cities: [[A]]}", "--set", "study.untuned={models.moves.breaks: true}")
    assert study(monkeypatch, *space) == 0
    text = (cities / "runs" / "known-humob" / "study.md").read_text()
    assert text.count("- No scores for nothing on validation users: ") == 1
    assert "no such luck" in text


def test_a_model_that_learns_from_nobody_is_told_apart_by_no_city(
    cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("--set", "models=[user_mode]", "--set", "study.space={cities: {subsets: [A, C]}}")
    sought = "study.objectives={geobleu@humob24: maximize, latency_median_s: minimize}"
    assert study(monkeypatch, *few, "--set", sought) == 0
    text = (cities / "runs" / "known-humob" / "study.md").read_text()
    assert "The model does not learn from training users" in text
    assert "Best trial minus the fallback alone: " in text
    assert "Shapley" not in text
    assert "Costs (latency median s) were measured on " in text


def test_a_hopeless_trial_is_pruned_by_what_its_fit_says(cities: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "study.space={models.moves.better: [3.0, 2.0, 1.0]}",
        "models.moves.steps=6",
        "seeds=[0]",
        "study.objectives={geobleu@humob24: maximize}",
        "study.pruner={MedianPruner: {n_startup_trials: 1, n_warmup_steps: 1}}",
    ]
    assert study(monkeypatch, *(part for word in words for part in ("--set", word))) == 0
    rows = rows_of(cities / "runs" / "known-humob" / "trials.csv")
    assert [row["state"] for row in rows] == ["done", "pruned", "pruned"]
    (made,) = optuna.get_all_study_summaries(f"sqlite:///{cities}/runs/known-humob/study.db")
    trials = optuna.load_study(
        study_name=made.study_name, storage=f"sqlite:///{cities}/runs/known-humob/study.db"
    ).trials
    assert [len(trial.intermediate_values) for trial in trials] == [6, 2, 2]


def test_a_file_that_is_no_study_says_so(
    cities: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (cities / "known.yaml").write_text(TEXT.replace("asked: 15", "aksed: 15"))
    assert study(monkeypatch) == 2
    said = capsys.readouterr()
    assert "did you mean 'asked'?" in said.err
    assert all(line.startswith("error: ") for line in said.err.splitlines())
    assert not (cities / "runs").exists()


def test_a_trial_of_filled_answers_cannot_win_and_a_fit_that_validation_rejected_has_not_learned(
    cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        study(monkeypatch, "--set", "study.space={models.moves.silent: [true, false], models.moves.kept_epoch: [0]}")
        == 0
    )
    folder = cities / "runs" / "known-humob"
    rows = rows_of(folder / "trials.csv")
    assert [(row["state"], row["front"], row["learned"]) for row in rows] == [
        ("not ranked", "0", "0"),
        ("done", "1", "0"),
    ]
    assert rows[0]["reason"] == "100% of its answers were filled by the fallback (city T)"
    text = (folder / "study.md").read_text()
    assert "- Best trial: silent False, kept_epoch 0" in text.replace("\\", "")
    assert "Trial 0 is not ranked: 100% of its answers were filled by the fallback (city T)" in text
    assert "- The best trial kept its start: validation users rejected its fine-tuning. It learned nothing." in text


def test_a_second_command_is_refused_while_the_first_lives(
    cities: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.study.search.address import Address
    from bench.study.search.lock import only_driver

    with only_driver(Address.parse("sqlite:///runs/known-humob/study.db"), "known 1 default moves"):
        assert study(monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: storage sqlite:///runs/known-humob/study.db: another 'bench study' is running")
