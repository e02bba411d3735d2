"""What is said of scores: intervals, which differences stand out among many, and what never counts as learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from study_text import TEXT

from bench.leaderboard import facts
from bench.records.store import Run
from bench.study.outcome.comparisons import ALL, Estimate, Panel, panel, significant
from bench.study.outcome.figures import _around
from bench.study.outcome.findings import details, headline, redundancy
from bench.study.outcome.mixes import CityValue, in_order
from bench.study.outcome.outcome import DONE, UNRANKED, Outcome, Trial
from bench.study.outcome.report import lay_out
from bench.study.outcome.wording import interval
from bench.study.search.evaluate import Scored
from bench.study.search.finalists import Result
from bench.study.spec import reading
from bench.study.spec.schema import Study

METRIC = "geobleu@humob24"


def study_of(folder: Path) -> Study:
    """Read the tests' study."""
    (folder / "tiny.yaml").write_text(TEXT)
    return reading.load(folder / "tiny.yaml")[0]


def scored(score: float, **more: object) -> Scored:
    """Scores of one city."""
    return Scored({METRIC: {"C": [score]}}, {}, 10, (), **more)  # type: ignore[arg-type]


def outcome_of(study: Study, trials: list[Trial], **references: float) -> Outcome:
    """An outcome whose users all have the mean score, give or take as much for every name."""
    results = {name: Result(name, scored(score)) for name, score in references.items()}
    named = {f"trial {trial.number}": trial.scored for trial in trials if trial.scored}
    named |= {name: result.scored for name, result in results.items() if result.scored}
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)
    values = {(name, city): given.value(METRIC) for name, given in named.items() for city in ("C", ALL)}
    samples = {key: value + noise * (1 + 0.1 * i) for i, (key, value) in enumerate(values.items())}
    best = frozenset(trial.number for trial in trials if trial.state == DONE)
    return Outcome(
        study, tuple(trials), best, {}, results, (Panel(METRIC, ("C",), values, samples, 40),), facts.gather([])
    )


def test_the_best_trial_stands_beside_the_best_floor_model_and_no_training(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    trials = [Trial(i, point, DONE, None, scored(0.3 + i / 100)) for i, point in enumerate(study.points())]
    outcome = outcome_of(study, trials, nothing=0.1, user_mode=0.2, kernel_vote=0.33)
    assert outcome.floor == "kernel_vote"
    said = headline(outcome)
    assert said[0].startswith("Best trial: B+C, 10 in all (10 trajectories), GEO-BLEU (HuMob 2024) 0.350 [")
    assert said[1].startswith("Best trial minus kernel_vote: +0.020 [")
    assert ", minus the fallback alone: +0.250 [" in said[1]


def test_what_a_leaderboard_would_not_rank_is_not_the_best(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    one, two, *_ = study.points()
    trials = [
        Trial(0, one, UNRANKED, "100 % filled", scored(0.9, unranked="100 % filled", excess=0.95)),
        Trial(1, two, DONE, None, scored(0.3)),
    ]
    outcome = outcome_of(study, trials, nothing=0.1)
    assert headline(outcome)[0].startswith("Best trial: B, 10 in all")
    assert "Not ranked, so that they cannot win: 1 trials. The reasons stand below the table of trials." in details(
        outcome
    )
    (table, *_) = lay_out([outcome], "bench study tiny.yaml").facts[0].tables
    assert table.rows[0][3] == "not ranked"
    assert "Trial 0 is not ranked: 100 % filled" in table.notes
    assert headline(outcome_of(study, trials[:1], nothing=0.1)) == [
        "No trial can win yet: none has scores that a leaderboard would rank."
    ]


def test_a_fit_that_kept_its_start_has_learned_nothing(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    one, two, *_ = study.points()
    trials = [
        Trial(0, one, DONE, None, scored(0.4, fits=2, rejected=2)),
        Trial(1, two, DONE, None, scored(0.3, fits=2, rejected=1)),
    ]
    outcome = outcome_of(study, trials, nothing=0.4)
    kept = "The best trial kept its start: validation users rejected its fine-tuning. It learned nothing."
    assert kept in headline(outcome)
    assert "1 of 2 trials kept their start (fine-tuning rejected on validation users)." in details(outcome)
    (table, *_) = lay_out([outcome], "bench study tiny.yaml").facts[0].tables
    assert [row[3] for row in table.rows[:2]] == ["* start kept", "*"]


def added(**pairs: float) -> list[CityValue]:
    """What cities add: AA is A alone, AB what A adds to B."""
    return [
        CityValue(
            METRIC,
            "all",
            ALL,
            city,
            given,
            Estimate(v, v - 0.01, v + 0.01, abs(v) / 0.01 if abs(v) > 0.01 else 0.0, 40),
        )
        for (city, given), v in pairs.items()
    ]


def test_cities_that_are_redundant_beside_any_other_are_one_line() -> None:
    alike = added(AA=0.2, AB=0.0, AC=0.001, BB=0.2, BA=0.0, BC=0.0, CC=0.2, CA=0.0, CB=0.0)
    (line,) = redundancy(alike)
    assert line.startswith("A, B, C: redundant once any other city is included (alone +0.200 [+0.190, +0.210], ")


def test_a_city_adds_harms_is_redundant_or_inconclusive_beside_another() -> None:
    unlike = added(AA=0.2, AB=0.1, AC=0.001, BB=0.02, BA=-0.05, BC=0.009, CC=0.0, CA=0.0, CB=0.0)
    assert redundancy(unlike) == [
        "A alone +0.200 [+0.190, +0.210]; adds to B +0.100 [+0.090, +0.110]; redundant once C is included.",
        "B alone +0.020 [+0.010, +0.030]; harms A -0.050 [-0.060, -0.040]; inconclusive once C is included.",
    ]


def test_of_many_pairs_a_small_difference_is_not_significant() -> None:
    close = {0: Estimate(0.1, 0.01, 0.19, 1.1, 40)}
    assert significant(close) == {0}
    many = close | {i: Estimate(0.0, -0.1, 0.1, 0.0, 40) for i in range(1, 15)}
    assert significant(many) == set()
    assert significant(many | {99: Estimate(1.0, 0.9, 1.1, 10.0, 40)}) == {99}


def test_a_difference_that_is_0_in_every_resampling_is_not_significant() -> None:
    drawn = np.random.default_rng(0).normal(0.3, 0.01, 1000)
    board = Panel(
        METRIC,
        ("C",),
        {("a", ALL): 0.3, ("b", ALL): 0.3, ("c", ALL): 0.4},
        {("a", ALL): drawn, ("b", ALL): drawn + 1e-16, ("c", ALL): drawn + 0.1},
        40,
    )
    assert board.less("a", "b").strength == 0.0
    assert significant({"b": board.less("a", "b"), "c": board.less("c", "a")}) == {"c"}


def test_scores_whose_files_lie_on_another_machine_have_no_interval(tmp_path: Path) -> None:
    far = Scored({METRIC: {"C": [0.2, 0.4], "D": [0.5, 0.5]}}, {}, 10, (("C", 0, "x"), ("D", 0, "y")))
    estimate = panel(METRIC, {"far": far}, Run(tmp_path)).estimate({"far": 1.0})
    assert estimate.value == pytest.approx(0.4)
    assert np.isnan([estimate.low, estimate.high]).all()
    assert interval(estimate, METRIC) == "0.400"
    assert significant({"far": estimate}) == set()


def test_tables_keep_the_order_of_the_space_whoever_ran_what_first(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    trials = [Trial(i, point, "failed", None, None) for i, point in enumerate(reversed(study.points()))]
    assert [trial.point for trial in in_order(study, trials)] == study.points()


def test_a_figure_draws_no_interval_that_is_not_known() -> None:
    nan = float("nan")
    assert _around(0.5, Estimate(0.0, -0.1, 0.2)) == pytest.approx({"value": 0.5, "low": 0.4, "high": 0.7})
    assert _around(0.5, Estimate(0.0, nan, nan)) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert _around(0.5, Estimate(0.0, 1e-9, 0.1))["low"] == 0.5
