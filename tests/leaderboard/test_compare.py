"""Runs side by side: over shared cases only, paired over users, times never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mock_run import TYPICAL, Model, make_run

from bench.errors import UserError
from bench.evaluation.significance import bar, moved
from bench.leaderboard.compare import ALL, Change, Comparison, compare
from bench.records import read_run
from bench.report import comparison, markdown

SPLITS = [("A+B", ("C", "D"))]
MODELS = (TYPICAL[2], TYPICAL[5], TYPICAL[8])  # slot_mode, kernel_vote, candidate_boosting


def runs(folder: Path, *models: tuple[Model, ...], **options: Any) -> Comparison:
    for i, some in enumerate(models):
        make_run(folder / str(i), some, SPLITS, **options)
    return compare([read_run(folder / str(i)) for i in range(len(models))])


def change(found: Comparison, model: str, city: str = ALL, metric: str = "geobleu@humob24") -> Change:
    (one,) = [c for c in found.changes if (c.model, c.city, c.metric) == (model, city, metric)]
    return one


def edit(folder: Path, model: str, how: Any) -> None:
    """Change the records of a model."""
    for path in (folder / "records").iterdir():
        content = json.loads(path.read_text())
        if content["case"]["model"] == model:
            how(content)
            path.write_text(json.dumps(content))


def test_equal_runs_are_the_same_and_nothing_is_tested(tmp_path: Path) -> None:
    found = runs(tmp_path, MODELS, MODELS)
    assert found.compared == 0
    assert {c.differences for c in found.changes} == {((0.0, 0.0, 0.0),)}
    assert found.others == ()


def test_what_moves_is_told_from_chance(tmp_path: Path) -> None:
    """Of one model every user's score rises a little; another's scatter about what they were."""
    for name in "01":
        make_run(tmp_path / name, MODELS, SPLITS, users=60)
    rng = np.random.default_rng(0)
    for record in read_run(tmp_path / "1").records:
        path = tmp_path / "1" / record.files["scores"]
        frame = pd.read_parquet(path)
        if record.case.model == "kernel_vote":
            frame["geobleu@humob24"] += 0.01 + rng.normal(0, 0.005, len(frame))
        if record.case.model == "slot_mode":
            noise = rng.normal(0, 0.005, len(frame))
            frame["geobleu@humob24"] += noise - noise.mean()
        frame.to_parquet(path, index=False)
    found = compare([read_run(tmp_path / name) for name in "01"])
    up, still = change(found, "kernel_vote"), change(found, "slot_mode")
    assert up.verdicts == (1,)
    assert still.verdicts == (0,)
    assert still.differences[0][1] < 0 < still.differences[0][2]
    assert change(found, "candidate_boosting").differences == ((0.0, 0.0, 0.0),)
    assert found.compared == 2 * 3  # two models, in two cities and their mean
    text = markdown.render(comparison.lay_out(found))
    assert "3 are better and 0 worse beyond chance" in text
    assert "kernel_vote, mean over cities: GEO-BLEU (HuMob 2024) better by" in text


def test_a_worse_distance_is_worse(tmp_path: Path) -> None:
    further = Model("kernel_vote", 0.279, 90.0, 24.7)
    found = runs(tmp_path, (TYPICAL[5],), (further,))
    one = change(found, "kernel_vote", metric="dtw@fixed")
    assert one.verdicts == (-1,)
    assert one.differences[0][0] > 0
    assert one.differences[0][1] > 0


def test_only_shared_cases_are_compared_and_no_mean_is_over_different_ones(tmp_path: Path) -> None:
    make_run(tmp_path / "0", MODELS[:2], SPLITS)
    make_run(tmp_path / "1", MODELS[1:], SPLITS)
    make_run(tmp_path / "2", MODELS[1:2], [("A+B", ("C",))])
    first, second, third = (read_run(tmp_path / name) for name in "012")
    found = compare([first, second])
    assert {c.model for c in found.changes} == {"kernel_vote"}
    assert ("slot_mode: C, seed 0", "only in 0") in found.alone
    narrow = compare([first, third])
    assert {(c.model, c.city) for c in narrow.changes} == {("kernel_vote", "C")}
    assert all(c.city != ALL for c in narrow.changes)
    assert found.together is not None
    assert found.together.overall is not None
    assert {row.model for row in found.together.overall.rows} == {"slot_mode", "kernel_vote", "candidate_boosting (1)"}


def test_runs_of_different_models_that_were_asked_the_same_are_ranked_together(tmp_path: Path) -> None:
    found = runs(tmp_path, MODELS[:1], MODELS[1:])
    assert found.changes == ()
    text = markdown.render(comparison.lay_out(found))
    assert "Ranked together. Mean over cities C, D" in text
    assert "kernel\\_vote (1)" in text or "kernel_vote (1)" in text


def test_runs_that_share_nothing_are_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "0", MODELS[:1], [("A", ("B",))])
    make_run(tmp_path / "1", MODELS[1:2], [("A", ("C",))])
    with pytest.raises(UserError, match="share no case"):
        compare([read_run(tmp_path / name) for name in "01"])


def test_a_model_that_lacks_a_case_in_one_run_has_no_mean_over_cities(tmp_path: Path) -> None:
    broken = Model("kernel_vote", 0.279, 43.8, 24.7, fails={"D": "out of memory"})
    found = runs(tmp_path, MODELS, (MODELS[0], broken, MODELS[2]))
    assert found.unaveraged == ("kernel_vote",)
    assert {c.city for c in found.changes if c.model == "kernel_vote"} == {"C"}
    assert {c.city for c in found.changes if c.model == "slot_mode"} == {"C", "D", ALL}


def test_other_users_are_another_question(tmp_path: Path) -> None:
    make_run(tmp_path / "0", MODELS, SPLITS, users=60)
    make_run(tmp_path / "1", MODELS, SPLITS, users=50)
    with pytest.raises(UserError, match="other test users"):
        compare([read_run(tmp_path / name) for name in "01"])


def test_without_scores_of_users_there_is_no_interval(tmp_path: Path) -> None:
    found_first = runs(tmp_path, MODELS, MODELS)
    for path in (tmp_path / "0" / "scores").iterdir():
        path.unlink()
    found = compare([read_run(tmp_path / name) for name in "01"])
    assert {c.verdicts for c in found.changes} == {(None,)}
    assert [c.means for c in found.changes] == [c.means for c in found_first.changes]
    text = markdown.render(comparison.lay_out(found))
    assert "no interval and no test" in text
    assert f"1: nothing can be tested; {len(found.changes)} of {len(found.changes)} means are equal." in text


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("machine", "cpu", "Other CPU"), ("numerics", "precision", "bfloat16"), ("cost", "batch_users", 8)],
)
def test_times_measured_otherwise_have_no_ratio_and_say_so(tmp_path: Path, part: str, name: str, value: object) -> None:
    for run in "01":
        make_run(tmp_path / run, MODELS, SPLITS)
    edit(tmp_path / "1", "kernel_vote", lambda record: record[part].update({name: value}))
    found = compare([read_run(tmp_path / run) for run in "01"])
    ratios = {row.model: row.ratio(1) for row in found.times}
    assert ratios == {"slot_mode": 1.0, "kernel_vote": None, "candidate_boosting": 1.0}
    text = markdown.render(comparison.lay_out(found))
    assert "No ratio where hardware, precision or batch differ" in text
    assert (f"{value} users a batch" if part == "cost" else str(value)) in text


def test_settings_and_versions_that_differ_are_named(tmp_path: Path) -> None:
    for run in "01":
        make_run(tmp_path / run, MODELS, SPLITS)

    def raise_version(record: dict[str, Any]) -> None:
        record["case"] |= {"adapter_version": 2, "settings": {"trees": 9}}

    edit(tmp_path / "1", "kernel_vote", raise_version)
    found = compare([read_run(tmp_path / run) for run in "01"])
    told = {(other.model, other.what): other.values for other in found.others}
    assert told["kernel_vote", "adapter"] == ("kernel_vote, version 1", "kernel_vote, version 2")
    assert told["kernel_vote", "setting trees"] == ("absent", "9")
    assert {model for model, _ in told} == {"kernel_vote"}


def test_a_run_is_not_compared_with_itself(tmp_path: Path) -> None:
    make_run(tmp_path, MODELS, SPLITS)
    with pytest.raises(UserError, match="named twice"):
        compare([read_run(tmp_path), read_run(tmp_path)])


def test_the_table_as_csv_holds_every_difference(tmp_path: Path) -> None:
    found = runs(tmp_path, MODELS, MODELS, MODELS)
    rows = comparison.render_csv(found).splitlines()
    assert len(rows) == 1 + 2 * len(found.changes)
    assert rows[1].endswith(",0,0,0,level")


def test_holm_asks_more_of_the_clearest_of_many() -> None:
    rng = np.random.default_rng(1)
    one = 1.1 + rng.normal(0, 1 / 1.96, (10_000, 1)) * 1.0  # 1.1 half-widths above zero
    level = rng.normal(0, 1, (10_000, 9))
    assert moved(one, 1000)[0].tolist() == [1]
    verdicts, tested = moved(np.concatenate([one, level], axis=1), 1000)
    assert (verdicts.tolist(), tested) == ([0] * 10, 10)
    clear = np.concatenate([-one - bar(10, 1000), level, np.zeros((10_000, 1))], axis=1)
    assert moved(clear, 1000)[0].tolist() == [-1] + [0] * 10
    assert moved(clear, 1000)[1] == 10
