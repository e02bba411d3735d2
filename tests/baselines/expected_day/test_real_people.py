"""expected_day on 200 real people of HuMob 2024 (aggregate figures; the data are not here)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baselines.expected_day import ExpectedDay
from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.data.files.csvfiles import read_points
from bench.data.trajectories import Trajectories
from bench.evaluation.metrics import score_users

FIGURES = ["geobleu@humob24", "geobleu@giscup25", "dtw@fixed"]
LLAMA = {"B": (0.3541, 0.2378, 49.13), "C": (0.2969, 0.1991, 41.81)}  # Llama-3-8B-Mob's logged answers


def scores(model: ExpectedDay, table: Trajectories) -> np.ndarray:
    """Return the three figures for days 60-74, larger is better."""
    history, truth = table.days(0, 59), table.days(60, 74)
    given = model.predict(history, truth.queries(), Context())
    return score_users(given.x, given.y, truth, FIGURES)[FIGURES].mean().to_numpy() * [1, 1, -1]


@pytest.mark.slow
@pytest.mark.parametrize(("city", "least"), [("B", (0.376, 0.249, -44.0)), ("C", (0.317, 0.207, -39.5))])
def test_weights_of_the_histories_alone_beat_the_logged_language_model(
    humob100: Path, city: str, least: tuple[float, float, float]
) -> None:
    table = read_points(humob100 / f"city_{city}.csv.gz", city=city).visible
    model = registry.make("expected_day", {"learn": "test histories"})
    assert isinstance(model, ExpectedDay)
    model.fit(table.days(0, 59), None, Context())
    found = scores(model, table)
    assert np.all(found >= least), found
    assert np.all(found > np.array(LLAMA[city]) * [1, 1, -1])


@pytest.mark.slow
@pytest.mark.parametrize("city", ["B", "C"])
def test_the_shipped_weights_have_seen_no_real_person_and_still_beat_it(humob100: Path, city: str) -> None:
    table = read_points(humob100 / f"city_{city}.csv.gz", city=city).visible
    model = registry.make("expected_day", {"learn": "nothing"})
    assert isinstance(model, ExpectedDay)
    assert np.all(scores(model, table)[[0, 2]] > (np.array(LLAMA[city]) * [1, 1, -1])[[0, 2]])
