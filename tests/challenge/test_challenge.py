"""bench score: figures for a file, and a clear refusal of rows that do not match."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from walks import noisy, walks

from bench.challenge.score import score_files, spans, summary
from bench.cli.score import score_command
from bench.data.trajectories import Trajectories
from bench.errors import UserError
from bench.evaluation.metrics import MAIN, score_users

TRUTH = walks(6, seed=3, city="B")


def write(path: Path, table: Trajectories, shift: int = 0, **columns: np.ndarray) -> Path:
    frame = table.to_frame().drop(columns="city").assign(**columns)
    frame["d"] += shift
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """All days, of which only 60-74 are scored."""
    before = walks(6, seed=4, city="B")
    earlier = Trajectories.build(
        ("B",), **{name: getattr(before, name) for name in ("city", "uid", "t", "x", "y")}, d=before.d - 20
    )
    return write(tmp_path / "city_B.csv.gz", Trajectories.concat([earlier.days(0, 59), TRUTH]))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    x, y = noisy(TRUTH)
    return write(tmp_path / "answers.csv", TRUTH, x=x, y=y)


def refused(predictions: Path, truth: Path, days: str = "60-74", users: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        score_files(predictions, truth, days, users)
    return str(caught.value)


def test_scores_are_those_of_the_metrics(good: Path, truth: Path) -> None:
    frame = score_files(good, truth)
    pd.testing.assert_frame_equal(frame, score_users(*noisy(TRUTH), TRUTH), check_exact=True)
    assert frame["city"].unique().tolist() == ["B"]
    assert [f"{summary(frame)[name]['mean']:.12f}" for name in MAIN] == [f"{frame[name].mean():.12f}" for name in MAIN]
    for score in summary(frame).values():
        assert score["low"] <= score["mean"] <= score["high"]


def test_order_of_rows_and_header_do_not_matter(good: Path, truth: Path, tmp_path: Path) -> None:
    rows = good.read_text().splitlines()[1:]
    np.random.default_rng(0).shuffle(rows)
    with gzip.open(tmp_path / "mixed.csv.gz", "wt") as file:
        file.write("\n".join(rows))
    pd.testing.assert_frame_equal(score_files(tmp_path / "mixed.csv.gz", truth), score_files(good, truth))


def test_parquet_is_read_too(good: Path, truth: Path, tmp_path: Path) -> None:
    pd.read_csv(good).to_parquet(tmp_path / "answers.parquet")
    pd.testing.assert_frame_equal(score_files(tmp_path / "answers.parquet", truth), score_files(good, truth))


def test_missing_and_extra_rows_are_named(truth: Path, tmp_path: Path) -> None:
    keep = np.ones(len(TRUTH), bool)
    keep[[5, 9]] = False
    first = f"uid {TRUTH.uid[5]}, d {TRUTH.d[5]}, t {TRUTH.t[5]}"
    message = refused(write(tmp_path / "a.csv", TRUTH.take(keep)), truth)
    assert f"lacks 2 rows (first: {first})" in message

    free = next(t for t in range(48) if t not in TRUTH.of(("B", 0)).days(60, 60).t)
    with write(tmp_path / "b.csv", TRUTH).open("a") as file:
        file.write(f"0,60,{free},5,5\n")
    assert f"has 1 row (first: uid 0, d 60, t {free})" in refused(tmp_path / "b.csv", truth)


def test_missing_users_are_named_and_may_be_left_out_aloud(truth: Path, tmp_path: Path) -> None:
    some = TRUTH.only([("B", 1), ("B", 2), ("B", 4)])
    path = write(tmp_path / "a.csv", some)
    message = refused(path, truth)
    assert "3 of the truth's 6 users have no rows (0, 3, 5)" in message
    assert "--users predicted" in message
    assert score_files(path, truth, users="predicted")["uid"].tolist() == [1, 2, 4]
    assert "(first: uid 4" in refused(path, truth, users="1-2")
    assert "users have no row" in refused(path, truth, users="1-4")


@pytest.mark.parametrize(("shift", "word"), [(1, "higher"), (-1, "lower")])
def test_another_day_base_is_seen(truth: Path, tmp_path: Path, shift: int, word: str) -> None:
    message = refused(write(tmp_path / "a.csv", TRUTH, shift), truth)
    assert f"all days are one {word}" in message
    assert len(message.splitlines()) == 1


def test_days_as_the_files_count_them(truth: Path, good: Path, tmp_path: Path) -> None:
    both = [write(tmp_path / f"city_{name}.csv", TRUTH, 1) for name in ("B", "C")]
    assert "choose with --days" in refused(both[0], both[1])
    assert (score_files(both[0], both[1], "61-75")["geobleu@humob24"] == 1).all()
    assert "holds no rows of days 5-6" in refused(good, both[0], "5-6")


def hints(predictions: Path, truth: Path, days: str = "60-74") -> list[str]:
    found: list[str] = []
    score_files(predictions, truth, days, note=found.append)
    return found


def test_days_restrict_both_files(good: Path, truth: Path, tmp_path: Path) -> None:
    x, y = noisy(TRUTH)
    week = write(tmp_path / "week.csv", Trajectories.build(("B",), **columns_of(TRUTH) | {"x": x, "y": y}).days(60, 66))
    pd.testing.assert_frame_equal(score_files(good, truth, "60-66"), score_files(week, truth, "60-66"))
    assert hints(week, truth, "60-66") == []
    assert "rows outside days 60-66 are not scored" in hints(good, truth, "60-66")[0]


def columns_of(table: Trajectories) -> dict[str, np.ndarray]:
    return {name: getattr(table, name) for name in table.columns()}


@pytest.mark.parametrize(("by", "do"), [(-1, "add 1 to x and y"), (1, "subtract 1 from x and y"), (0, None)])
def test_cells_that_all_fit_one_over_get_a_hint(truth: Path, tmp_path: Path, by: int, do: str | None) -> None:
    x, y = noisy(TRUTH)
    moved = write(tmp_path / "a.csv", TRUTH, x=np.clip(x + by, 1, 200), y=np.clip(y + by, 1, 200))
    found = hints(moved, truth)
    assert len(found) == (do is not None)
    assert do is None or do in found[0]


def test_a_truth_whose_days_run_from_1_to_75_gets_a_hint(tmp_path: Path) -> None:
    days = np.arange(1, 76)
    columns = {"city": 0 * days, "uid": 0 * days, "d": days, "t": 0 * days, "x": days, "y": days}
    path = write(tmp_path / "city_B.csv", Trajectories.build(("B",), **columns))
    assert "days run from 1 to 75" in hints(path, path)[0]
    assert not any("days run from" in hint for hint in hints(path, path, "61-75"))


@pytest.mark.parametrize("value", ["", "nan", "x", "0", "201", "999", "3.5"])
def test_cells_that_are_none_are_named_by_line(good: Path, truth: Path, value: str) -> None:
    lines = good.read_text().splitlines()
    lines[4] = ",".join([*lines[4].split(",")[:3], value, "7"])
    good.write_text("\n".join(lines))
    message = refused(good, truth)
    assert "line 5" in message
    assert "x" in message


def test_masked_truth_is_refused(good: Path, tmp_path: Path) -> None:
    hidden = np.where(np.arange(len(TRUTH)) == 7, 999, TRUTH.x)
    path = write(tmp_path / "city_B.csv", TRUTH, x=hidden, y=np.where(hidden == 999, 999, TRUTH.y))
    assert "1 cells are masked (999)" in refused(good, path)


@pytest.mark.parametrize("days", ["60", "74-60", "a-b", "60-", "-1-5"])
def test_days_that_are_no_span(good: Path, truth: Path, days: str) -> None:
    assert "--days" in refused(good, truth, days)


def test_command_prints_json_and_writes_every_digit(
    good: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out.csv"
    score_command(good, truth, "60-74", None, out, json=True)
    shown = json.loads(capsys.readouterr().out)
    frame = score_files(good, truth)
    assert shown["users"] == 6
    assert shown["scores"]["dtw@fixed"]["mean"] == frame["dtw@fixed"].mean()
    pd.testing.assert_frame_equal(pd.read_csv(out), frame, check_exact=True)
    score_command(good, truth, "60-74", None, None, json=False)
    printed = capsys.readouterr().out
    assert f"{frame['geobleu@humob24'].mean():.4f}" in printed


def test_an_unwritable_file_is_a_users_error(good: Path, truth: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        score_command(good, truth, "60-74", None, good / "out.csv", json=True)


def test_published_figures_of_real_users(humob100: Path) -> None:
    file = humob100 / "predictions" / "llama-3-8b-mob_AB_B.csv.gz"
    scores = summary(score_files(file, humob100 / "city_B.csv.gz"))
    means = [round(float(scores[name]["mean"]), 4) for name in MAIN]
    assert means == [0.3541, 0.2378, 25.3889, 49.1284]


def test_spans() -> None:
    assert spans([3]) == "3"
    assert spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert spans(list(range(0, 40, 2)), most=2) == "0, 2, ..."


def test_a_single_user_has_no_interval() -> None:
    one = pd.DataFrame({"city": ["B"], "uid": [1], **{name: [0.3] for name in MAIN}})
    assert {(score["low"], score["high"]) for score in summary(one).values()} == {(None, None)}
    two = pd.concat([one, one.assign(uid=2, **{name: [0.5] for name in MAIN})])
    assert all(score["low"] < score["mean"] < score["high"] for score in summary(two).values())  # type: ignore[operator]


def test_files_of_another_grid_are_refused_in_one_line(truth: Path) -> None:
    """A city whose description stands beside its rows is no challenge's where its cells or slots differ."""
    beside = truth.with_name("city_B.yaml")
    beside.write_text("width: 200\n")
    assert len(score_files(truth, truth)) == 6
    beside.write_text("width: 37\nheight: 61\ncell_km: 1.0\nslots_per_day: 24\n")
    with pytest.raises(
        UserError, match="has 37 x 61 cells of 1000 m, 24 slots a day; the challenges' scores"
    ) as caught:
        score_files(truth, truth)
    assert len(caught.value.messages) == 1
