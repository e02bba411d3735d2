"""Paired differences within parts: Student's interval over the users there, cities together, none of few users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mock_run import TYPICAL, make_run
from scipy import stats

from bench.leaderboard import build
from bench.leaderboard.parts import half_widths
from bench.leaderboard.ranking import Row
from bench.records.manifest import read_run
from bench.records.record import Record, write

METRIC, MODELS = "geobleu@humob24", TYPICAL[:3]
MOVERS, FEW = 40, 6  # users who have moves, and points in a new cell


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two cities with invented slices: moves of forty users, new cells of six."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "slices").mkdir()
    for record in make_run(folder, MODELS, [("B", ("C", "D"))]):
        path = folder / "slices" / f"{record.identity.answers}.parquet"
        rng = np.random.default_rng(int(record.identity.answers, 16))
        uids = pd.read_parquet(folder / record.files["scores"])["uid"].to_numpy()
        parts = [("step", "move", uids[:MOVERS]), ("cell", "new", uids[:FEW])]
        rows = [(uid, kind, name, rng.random()) for kind, name, some in parts for uid in rng.permutation(some)]
        pd.DataFrame(rows, columns=["uid", "kind", "slice", METRIC]).to_parquet(path)
        named = record.model_copy(update={"files": {**record.files, "slices": f"slices/{path.name}"}})
        write(named, folder / "records" / f"{record.identity.cost}.json")
    return folder


def scores(run: Path, model: str, city: str) -> np.ndarray:
    """Moves of the model's users, by uid."""
    (record,) = [r for r in read_run(run).records if (r.case.model, r.case.test_city) == (model, city)]
    frame = pd.read_parquet(run / record.files["slices"])
    return frame[frame["slice"] == "move"].sort_values("uid")[METRIC].to_numpy()


def test_half_widths_are_those_of_a_paired_t_interval_and_cities_join(run: Path) -> None:
    content = read_run(run)
    found = build(content.records, run)

    def records(row: Row, city: str) -> list[Record]:
        return [r for r in content.records if r.case.model == row.model and r.case.test_city == city]

    alone = {}
    for board in found.cities:
        (city,), wide = board.cities, half_widths(board, records, run)[METRIC]
        pairs = [(one, other) for i, one in enumerate(board.ranked) for other in board.ranked[i + 1 :]]
        for (one, other), half in zip(pairs, wide["step=move"], strict=True):
            apart = scores(run, one.model, city) - scores(run, other.model, city)
            low, high = stats.t.interval(0.95, MOVERS - 1, apart.mean(), stats.sem(apart))
            assert half == pytest.approx((high - low) / 2, rel=1e-5)
            alone[city, frozenset((one.model, other.model))] = half
        assert np.isnan(wide["cell=new"]).all(), "six users allow no interval"
        assert np.isfinite(wide[f"city={city}"]).all()
    assert found.overall
    wide = half_widths(found.overall, records, run)[METRIC]
    ranked = found.overall.ranked
    pairs = [(one, other) for i, one in enumerate(ranked) for other in ranked[i + 1 :]]
    for (one, other), half in zip(pairs, wide["step=move"], strict=True):
        both = frozenset((one.model, other.model))
        assert half == pytest.approx(np.hypot(alone["C", both], alone["D", both]) / 2)


def test_without_slices_of_users_nothing_is_said(tmp_path: Path) -> None:
    make_run(tmp_path, MODELS, [("B", ("C",))])
    content = read_run(tmp_path)
    (board,) = build(content.records, tmp_path).boards
    assert half_widths(board, lambda row, _: [r for r in content.records if r.case.model == row.model], tmp_path) == {}
