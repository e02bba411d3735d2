"""A run's records as data frames."""

from __future__ import annotations

from pathlib import Path

from mock_run import TYPICAL, Model, make_run

from bench.records import read_run


def test_every_case_has_a_row_and_what_failed_has_its_reason(tmp_path: Path) -> None:
    models = [*TYPICAL[:2], Model("broken", 0.1, 50.0, fails={"C": "out of memory"})]
    records = make_run(tmp_path, models, [("A+B", ("C", "D"))], users=7)
    frame = read_run(tmp_path).cases.set_index("case")
    assert set(frame.index) == {record.identity.cost for record in records}
    failed = frame[frame.status == "failed"]
    assert failed[["model", "test_city", "reason"]].values.tolist() == [["broken", "C", "out of memory"]]
    assert failed["geobleu@humob24"].isna().all()
    done = frame[frame.status == "done"]
    assert (done["geobleu@humob24 low"] <= done["geobleu@humob24"]).all()
    assert (done["geobleu@humob24"] <= done["geobleu@humob24 high"]).all()
    assert (frame.train_cities == "A+B").all()


def test_scores_have_a_row_a_case_and_user_and_join_with_the_cases(tmp_path: Path) -> None:
    make_run(tmp_path, TYPICAL[:2], [("A", ("C", "D"))], users=7)
    run = read_run(tmp_path)
    assert len(run.scores) == 2 * 2 * 7
    assert not run.scores.duplicated(["case", "city", "uid"]).any()
    joined = run.scores.merge(run.cases[["case", "test_city"]], on="case")
    assert (joined.city == joined.test_city).all()


def test_cases_without_scores_per_user_have_no_rows(tmp_path: Path) -> None:
    make_run(tmp_path, TYPICAL[:2], [("A", ("C",))], users=7)
    files = sorted((tmp_path / "scores").iterdir())
    files[0].unlink()
    assert read_run(tmp_path).scores["case"].nunique() == 1
    files[1].unlink()
    assert len(read_run(tmp_path).scores) == 0
