"""What results/studies publishes: fifteen sets of cities, values that add up, training that helps, a true front."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import pytest

STUDIES = Path(__file__).resolve().parents[2] / "results" / "studies"
FOLDER = STUDIES / "data_mix"
MODELS = ("candidate_boosting", "lp_bert")


def _rows(name: str, folder: Path = FOLDER) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", MODELS)
def test_all_fifteen_sets_of_cities_stand_there_at_both_volumes(model: str) -> None:
    sets = {"+".join(chosen) for size in range(1, 5) for chosen in itertools.combinations("ABCD", size)}
    for volume in {row["users.train"] for row in _rows("trials.csv")}:
        rows = [row for row in _rows("trials.csv") if row["model"] == model and row["users.train"] == volume]
        assert {row["cities"] for row in rows} == sets, volume
        assert {row["state"] for row in rows} == {"done"}
        assert all(math.isfinite(float(row["geobleu@humob24|all|value"])) for row in rows)


def _none(model: str, context: str, target: str) -> float:
    """All cities less what their Shapley values add up to: the score of no city."""
    wanted = "60" if context.startswith("60") else '{"total":240}'
    chosen = [
        r for r in _rows("trials.csv") if (r["model"], r["cities"], r["users.train"]) == (model, "A+B+C+D", wanted)
    ]
    values = [r for r in _rows("cities.csv") if (r["model"], r["kind"], r["context"]) == (model, "shapley", context)]
    parts = [float(row["value"]) for row in values if row["target"] == target]
    assert len(chosen) == 1
    assert len(parts) == 4
    return float(chosen[0][f"geobleu@humob24|{target}|value"]) - sum(parts)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("target", [*"ABCD", "all"])
def test_shapley_values_add_up_to_all_cities_less_none(model: str, target: str) -> None:
    none = [_none(model, context, target) for context in ("60 trajectories a city", "240 trajectories in all")]
    assert none[0] == pytest.approx(none[1], abs=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_what_no_training_scores_stands_in_the_study(model: str) -> None:
    none = _none(model, "60 trajectories a city", "all")
    assert f"{none:.3f}<br>" in (FOLDER / "study.md").read_text(encoding="utf-8")


def test_every_set_of_cities_is_better_than_the_fallback_alone() -> None:
    none = _none("candidate_boosting", "60 trajectories a city", "all")
    rows = [row for row in _rows("trials.csv") if row["model"] == "candidate_boosting"]
    assert all(float(row["geobleu@humob24|all|value"]) > none for row in rows)


def test_the_front_of_budget_mix_is_that_of_its_trials() -> None:
    rows = _rows("trials.csv", STUDIES / "budget_mix")
    assert len({tuple(row[f"shares.{city}"] for city in "ABCD") for row in rows}) == len(rows) == 32
    assert {row["state"] for row in rows} == {"done"}
    scores = [(float(row["geobleu@humob24|all|value"]), -float(row["dtw@fixed|all|value"])) for row in rows]
    for row, (bleu, dtw) in zip(rows, scores, strict=True):
        beaten = any(b >= bleu and d >= dtw and (b, d) != (bleu, dtw) for b, d in scores)
        assert row["front"] == str(int(not beaten)), row["trial"]


@pytest.mark.parametrize("name", ["data_mix", "budget_mix"])
def test_a_gain_over_the_fallback_stands_beside_the_gain_over_the_best_model_without_training(name: str) -> None:
    lines = (STUDIES / name / "study.md").read_text(encoding="utf-8").splitlines()
    gains = [line for line in lines if "minus the fallback alone" in line]
    assert gains
    for line in gains:
        assert "minus kernel_vote" in line, line
