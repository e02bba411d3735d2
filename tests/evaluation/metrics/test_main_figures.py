"""GEO-BLEU and DTW: equal to the reference code's values, to plain Python, and to what the definitions promise."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_metrics import user_scores
from walks import constant, noisy, walks

from baselines.statistics.user_mode import UserMode
from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import Grid, World
from bench.errors import UserError
from bench.evaluation import bootstrap
from bench.evaluation.metrics import MAIN, geobleu, score_users
from bench.evaluation.metrics.make_proximity import has_avx512

VECTORS = Path(__file__).parents[2] / "vectors" / "geobleu_dtw.json"
# The last step, a geometric mean, takes numpy's own log and exp; without AVX-512 they may differ in their last bit.
LAST_BIT = 0.0 if has_avx512() else 2.3e-16
REFERENCE = {
    "geobleu@humob24": ("humob24", "geobleu"),
    "geobleu@giscup25": ("giscup25", "geobleu"),
    "dtw@humob24": ("humob24", "dtw"),
    "dtw@fixed": ("giscup25", "dtw"),
}


def one_user(points: list[list[int]], cells: list[list[int]]) -> Trajectories:
    d, t = np.array(points).T
    x, y = np.array(cells).T
    return Trajectories.build(("A",), city=np.zeros(len(d)), uid=np.zeros(len(d)), d=d, t=t, x=x, y=y)


def score(points: list[list[int]], predicted: list[list[int]], truth: list[list[int]]) -> pd.Series:
    x, y = np.array(predicted).T
    return score_users(x, y, one_user(points, truth)).iloc[0]


def test_made_cases_equal_the_reference_code() -> None:
    cases = json.loads(VECTORS.read_text())
    assert len(cases) == 120
    for case in cases:
        scores = score(case["points"], case["predicted"], case["reference"])
        for name, (version, metric) in REFERENCE.items():
            want = case[version][metric]
            if metric == "geobleu":
                assert abs(scores[name] - want) <= LAST_BIT, (case["kind"], name)
            else:
                assert scores[name] == pytest.approx(want, rel=1e-12, abs=0), (case["kind"], name)


@pytest.mark.parametrize("city", ["B", "C"])
@pytest.mark.parametrize("model", ["llama-3-8b-mob_AB", "lp-bert"])
def test_real_users_equal_the_reference_code(humob100: Path, city: str, model: str) -> None:
    truth = Trajectories.from_frame(pd.read_csv(humob100 / f"city_{city}.csv.gz"), city).days(60, 74)
    said = Trajectories.from_frame(pd.read_csv(humob100 / "predictions" / f"{model}_{city}.csv.gz"), city)
    scores = score_users(said.x, said.y, truth).set_index("uid")
    want = pd.read_csv(humob100 / "expected_scores.csv").query("city == @city and model == @model").set_index("uid")
    want = want.loc[scores.index]
    assert len(want) == 100
    for version in ("humob24", "giscup25"):
        difference = (scores[f"geobleu@{version}"] - want[f"geobleu_{version}"]).abs().max()
        assert difference <= LAST_BIT
    np.testing.assert_allclose(scores["dtw@humob24"], want["dtw_humob24"], rtol=1e-12, atol=0)
    np.testing.assert_allclose(scores["dtw@fixed"], want["dtw_giscup25"], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("city", "old", "true"),
    [("B", (-1.5, -11.9, 6.6), (21.7, 9.5, 32.5)), ("C", (-2.9, -7.7, 2.0), (21.5, 16.0, 27.7))],
)
def test_old_dtw_cannot_tell_a_constant_from_the_language_model(
    humob100: Path, city: str, old: tuple[float, ...], true: tuple[float, ...]
) -> None:
    """Differences in km with their 95 % intervals over 100 users: constant (user mode) minus Llama-3-8B-Mob."""
    people = Trajectories.from_frame(pd.read_csv(humob100 / f"city_{city}.csv.gz"), city)
    truth = people.days(60, 74)
    said = Trajectories.from_frame(pd.read_csv(humob100 / "predictions" / f"llama-3-8b-mob_AB_{city}.csv.gz"), city)
    mode = UserMode().predict(people.days(0, 59), truth.queries(), Context())
    names = ["dtw@humob24", "dtw@fixed"]
    difference = score_users(mode.x, mode.y, truth, names)[names] - score_users(said.x, said.y, truth, names)[names]
    low, high = bootstrap.interval(bootstrap.over_users(difference.to_numpy(), city))
    mean = difference.mean().to_numpy()
    assert (mean[0], low[0], high[0]) == pytest.approx(old, abs=0.7)
    assert low[0] < 0 < high[0]  # level with the old DTW ...
    assert (mean[1], low[1], high[1]) == pytest.approx(true, abs=0.7)
    assert low[1] > 0  # ... and far behind with the true one


def test_proximity_table_is_frozen() -> None:
    table = geobleu.proximity()
    assert table.dtype == np.float64
    assert hashlib.sha256(table.tobytes()).hexdigest()[:16] == "b6cb50be30a49dfd"
    np.testing.assert_allclose(table, np.exp(-0.5 * np.sqrt(np.arange(2 * 199**2 + 1))), rtol=3e-16)


def test_scores_do_not_hang_on_the_processor() -> None:
    """With numpy's AVX-512 switched off only the last bit may move: never a match."""
    code = (
        "from walks import noisy, walks; from bench.evaluation.metrics import score_users; truth = walks(60)\n"
        "frame = score_users(*noisy(truth), truth)\n"
        "print(*(value.hex() for value in frame.iloc[:, 4:].to_numpy().ravel().tolist()))"
    )
    off = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL"}
    tests = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, env={**os.environ, **off}, cwd=tests, capture_output=True, text=True, check=True)
    truth = walks(60)
    here = score_users(*noisy(truth), truth).iloc[:, 4:].to_numpy().ravel()
    there = np.array([float.fromhex(value) for value in run.stdout.split()])
    assert len(there) == 240
    np.testing.assert_allclose(there, here, rtol=0, atol=2.3e-16)


def test_many_users_equal_plain_python() -> None:
    truth = walks(12, days=4)
    x, y = noisy(truth)
    frame = score_users(x, y, truth).set_index("uid")
    table = geobleu.proximity()
    for user in truth.users:
        rows = truth._slices[user]
        points = list(zip(truth.d[rows].tolist(), truth.t[rows].tolist(), strict=True))
        said = list(zip(x[rows].tolist(), y[rows].tolist(), strict=True))
        true = list(zip(truth.x[rows].tolist(), truth.y[rows].tolist(), strict=True))
        want = user_scores(points, said, true, lambda square: float(table[square]))
        for name in MAIN:
            assert frame.loc[user[1], name] == want[name], name


CELL = st.tuples(st.integers(1, 12), st.integers(1, 12))
DAY = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=9)
POINTS = [[60, t] for t in range(48)]


def both(day: list[tuple[tuple[int, int], tuple[int, int]]]) -> tuple[list[list[int]], list[list[int]]]:
    return [list(p) for p, _ in day], [list(q) for _, q in day]


@settings(max_examples=150, deadline=None)
@given(DAY)
def test_day_equals_plain_python(day: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    predicted, truth = both(day)
    points = POINTS[: len(day)]
    table = geobleu.proximity()
    want = user_scores([(60, t) for _, t in points], predicted, truth, lambda square: float(table[square]))  # type: ignore[arg-type]
    scores = score(points, predicted, truth)
    assert {name: scores[name] for name in MAIN} == want


@settings(max_examples=60, deadline=None)
@given(DAY, st.integers(0, 100), st.integers(0, 100))
def test_bounds_identity_symmetry_and_invariance(day: list, right: int, down: int) -> None:
    predicted, truth = both(day)
    points = POINTS[: len(day)]
    scores, swapped = score(points, predicted, truth), score(points, truth, predicted)
    for name in ("geobleu@humob24", "geobleu@giscup25"):
        assert 0 <= scores[name] <= 1
    assert scores["geobleu@giscup25"] <= scores["geobleu@humob24"] * (1 + 1e-12) or len(day) > 3
    assert 0 <= scores["dtw@humob24"] <= scores["dtw@fixed"]
    assert scores["dtw@fixed"] == pytest.approx(swapped["dtw@fixed"], rel=1e-12)
    same = score(points, truth, truth)
    assert [same[name] for name in MAIN] == [1.0, 1.0, 0.0, 0.0]
    moved = [[[x + right, y + down] for x, y in cells] for cells in (predicted, truth)]
    mirrored = [[[13 - x, y] for x, y in cells] for cells in (predicted, truth)]
    turned = [[[y, x] for x, y in cells] for cells in (predicted, truth)]
    for other in (moved, mirrored, turned):
        for name in MAIN:
            assert score(points, *other)[name] == scores[name], name


@settings(max_examples=60, deadline=None)
@given(DAY, st.data())
def test_missed_points_are_never_better_than_any_answer(day: list, data: st.DataObject) -> None:
    predicted, truth = both(day)
    missed = np.array(data.draw(st.lists(st.booleans(), min_size=len(day), max_size=len(day))))
    x, y = np.array(predicted).T
    table = one_user(POINTS[: len(day)], truth)
    worst = score_users(x, y, table, missed=missed).iloc[0]
    answered = score_users(x, y, table).iloc[0]
    for name in ("geobleu@humob24", "geobleu@giscup25"):
        assert worst[name] <= answered[name] + 1e-12
    for name in ("dtw@humob24", "dtw@fixed"):
        assert worst[name] >= answered[name] - 1e-9


def test_nothing_answered_is_the_worst_score() -> None:
    truth = walks(3)
    frame = score_users(truth.x, truth.y, truth, missed=np.ones(len(truth), bool))
    assert (frame["geobleu@humob24"] == 0).all()
    assert (frame["geobleu@giscup25"] == 0).all()
    assert frame["dtw@fixed"].min() > 140


def test_the_beginning_of_the_truth_is_free_in_the_old_dtw_only() -> None:
    points, there = POINTS[:4], [[5, 5], [5, 5], [5, 5], [5, 5]]
    scores = score(points, there, [[50, 50], [40, 40], [9, 5], [5, 5]])
    assert scores["dtw@humob24"] == 0
    assert scores["dtw@fixed"] == pytest.approx(0.5 * (np.hypot(45, 45) + np.hypot(35, 35) + 4))


def test_a_tie_goes_to_the_pair_listed_first() -> None:
    """Cells in a row, all one apart: which of the equal pairs is taken decides what is left for the others."""
    points = POINTS[:2]
    first = score(points, [[2, 1], [4, 1]], [[3, 1], [1, 1]])["geobleu@humob24"]
    other = score(points, [[4, 1], [2, 1]], [[3, 1], [1, 1]])["geobleu@humob24"]
    assert first < other  # (2,1) listed first takes (3,1) and leaves (4,1) with (1,1)


def test_threads_and_company_change_nothing() -> None:
    truth = walks(80)
    x, y = noisy(truth)
    one = score_users(x, y, truth, threads=1)
    pd.testing.assert_frame_equal(score_users(x, y, truth, threads=4), one, check_exact=True)
    alone = truth.of(("A", 41))
    rows = truth._slices[("A", 41)]
    only = score_users(x[rows], y[rows], alone)
    pd.testing.assert_frame_equal(only, one[one["uid"] == 41].reset_index(drop=True), check_exact=True)


def test_kilometres_follow_the_grid() -> None:
    truth = walks(5)
    half = score_users(*constant(truth), truth, ["dtw@fixed"])
    whole = score_users(*constant(truth), truth, ["dtw@fixed"], world=World(Grid(cell_km=1.0)))
    np.testing.assert_allclose(whole["dtw@fixed"], 2 * half["dtw@fixed"])


def test_cells_farther_apart_than_the_table_reaches() -> None:
    scores = score([[60, 0]], [[1, 1]], [[1001, 1]])
    assert scores["geobleu@humob24"] == pytest.approx(np.exp(-500.0), rel=1e-12)


def test_read_only_and_wider_arrays_are_welcome() -> None:
    truth = walks(2)
    x, y = truth.x.astype(np.int64), truth.y.astype(float)
    x.flags.writeable = y.flags.writeable = False
    assert (score_users(x, y, truth)["geobleu@humob24"] == 1).all()


def test_wrong_predictions_are_refused() -> None:
    truth = walks(2)
    with pytest.raises(UserError, match="x has 3 rows"):
        score_users(truth.x[:3], truth.y[:3], truth)
    holes = truth.y.astype(float)
    holes[7] = np.nan
    with pytest.raises(UserError, match="y is not a number in row 7"):
        score_users(truth.x, holes, truth)
    with pytest.raises(UserError, match="did you mean 'geobleu@humob24'"):
        score_users(truth.x, truth.y, truth, ["geobleu@humob23"])
