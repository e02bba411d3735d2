"""Seeds of one model: how far they lie apart, beside what the users leave open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mock_run import Model, make_run

from bench.leaderboard import build
from bench.records.record import Agreement, Record
from bench.report import tables

MAIN = "geobleu@humob24"
MODEL = Model("forest", 0.27, 47, learns_from="train users", seeds=(0, 1, 2))


def test_the_spread_is_that_of_the_score_files(tmp_path: Path) -> None:
    records = make_run(tmp_path, [MODEL, replace(MODEL, name="once", seeds=(0,))], [("B", ("C",))])
    found = build(records, tmp_path)
    (row,) = found.seeds
    files = [tmp_path / r.files["scores"] for r in records if r.case.model == "forest"]
    scores = np.array([pq.read_table(file)[MAIN].to_numpy() for file in files])
    assert (row.model, row.lineage.learned, row.city, row.seeds) == ("forest", ("B",), "C", 3)
    assert row.metrics[MAIN].between == pytest.approx(np.std(scores.mean(axis=1), ddof=1))
    within = np.mean([np.std(one, ddof=1) / np.sqrt(len(one)) for one in scores])
    assert row.metrics[MAIN].within == pytest.approx(within)
    table = tables.seeds(found)
    assert table is not None
    assert f"{row.metrics[MAIN].between:.4f}" in table.rows[0]


def test_seeds_that_are_alike_lie_nowhere_apart(tmp_path: Path) -> None:
    records = make_run(tmp_path, [replace(MODEL, noise=0.0)], [("B", ("C",))])
    (row,) = build(records, tmp_path).seeds
    assert row.metrics[MAIN].between == pytest.approx(0.0, abs=1e-12)
    assert row.metrics[MAIN].within > 0.01


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, [replace(MODEL, seeds=(0,))], [("B", ("C", "D"))]), tmp_path)
    assert found.seeds == ()
    assert tables.seeds(found) is None


def test_agreement_is_the_mean_over_pairs_of_seeds_each_counted_once(tmp_path: Path) -> None:
    records = make_run(tmp_path, [MODEL], [("B", ("C",))])
    shares = {(0, 1): 0.2, (0, 2): 0.4, (1, 2): 0.9}

    def agree(record: Record, other: Record) -> Agreement:
        pair = tuple(sorted((record.case.seed, other.case.seed)))
        answers = other.identity.answers
        return Agreement(
            seed=other.case.seed, answers=answers, same_cell=shares[pair], same_low=None, same_high=None, geobleu=0.5
        )

    earlier = [r.model_copy(update={"agreement": tuple(agree(r, o) for o in records[: r.case.seed])}) for r in records]
    every = [r.model_copy(update={"agreement": tuple(agree(r, o) for o in records if o != r)}) for r in records]
    for told in (earlier, every):  # a pair may stand in one record or in both
        (row,) = build(told, tmp_path).seeds
        assert row.agreement == pytest.approx(0.5)
        table = tables.seeds(build(told, tmp_path))
        assert table is not None
        assert table.rows[0][table.heads.index("same\ncells")] == "50 %"
