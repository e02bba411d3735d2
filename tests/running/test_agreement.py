"""What scoring adds beside the means: slices, and how far a model agrees with itself over seeds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from small_run import Go

from bench.records.manifest import publish, read_run
from bench.records.store import Store, read_answers


def test_seeds_agree_as_their_answers_do_and_slices_stand_in_records(go: Go) -> None:
    run, records, _ = go("slot_mode", overrides=("seeds=[0, 1]",))
    store, content = Store(run.folder.parent / "store"), read_run(run.folder)
    assert set(content.agreements["same_cell"]) == {1.0}
    record = next(r for r in records if r.case.seed == 1 and r.case.test_city == "C")
    path = store.answers(record.agreement[0].answers)  # let the other seed answer otherwise at every third point
    given = pd.read_parquet(path)
    given.loc[::3, "x"] += 1
    given.to_parquet(path)
    run.record_path(record.identity.cost).unlink()
    _, again, _ = go("slot_mode", overrides=("seeds=[0, 1]",))
    changed = next(r for r in again if r.identity == record.identity).agreement[0]
    same = read_answers(path).x == read_answers(store.answers(record.identity.answers)).x
    shares = pd.Series(same).groupby(given["uid"].to_numpy()).mean()
    assert changed.same_cell == pytest.approx(shares.mean())
    assert changed.same_low < changed.same_cell < changed.same_high
    assert changed.geobleu < 1.0

    pairs = content.agreements[["test_city", "seed", "other_seed"]].values.tolist()
    assert pairs == [["C", 0, 1], ["D", 0, 1]]
    _slices_are_those_of_the_file(content)


def _slices_are_those_of_the_file(content) -> None:  # type: ignore[no-untyped-def]
    users = content.user_slices.groupby(["case", "kind", "slice"], observed=True)["dtw@fixed"].mean()
    means = content.slices.query("metric == 'dtw@fixed'").set_index(["case", "kind", "slice"])["mean"]
    assert len(users) == len(means)
    np.testing.assert_allclose(means.sort_index(), users.sort_index())


def test_a_published_run_keeps_the_means_of_slices_alone(go: Go, tmp_path) -> None:  # type: ignore[no-untyped-def]
    run, _, _ = go("user_mode")
    publish(read_run(run.folder), tmp_path / "published")
    content = read_run(tmp_path / "published")
    assert len(content.slices) > 100
    assert len(content.user_slices) == 0
    assert not (tmp_path / "published" / "slices").exists()


def test_a_record_of_the_schema_before_is_read_and_scored_again_where_its_answers_are(go: Go) -> None:
    run, (first, _), _ = go("user_mode")
    path = run.record_path(first.identity.cost)
    old = json.loads(path.read_text()) | {"schema_version": 2}
    del old["agreement"], old["corpus"]
    for score in old["scores"].values():
        del score["slices"]
    path.write_text(json.dumps(old))
    assert len(read_run(run.folder).records) == 2
    _, (again, _), said = go("user_mode")
    assert (again.schema_version, again.scores, said.before) == (3, first.scores, 2)
    path.write_text(json.dumps(old))
    Store(run.folder.parent / "store").answers(first.identity.answers).unlink()
    _, (kept, _), said = go("user_mode")
    assert (kept.schema_version, said.before) == (2, 2)
