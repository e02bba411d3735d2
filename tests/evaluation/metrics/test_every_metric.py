"""Trivial answers run against every metric, what the further metrics promise, and the registry."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walks import constant, noisy, shuffled, walks

from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid, World
from bench.errors import UserError
from bench.evaluation import metrics
from bench.evaluation.metrics import score_users
from bench.report import published

PERFECT = {name: 0.0 if metrics.get(name).better == "lower" else 1.0 for name in metrics.names()}
VACUOUS = {"plausible_jumps@v1"}  # holds nothing against staying at one place, and says so
TRUTH = walks(8, seed=5, days=6)


def mean(name: str, x: np.ndarray, y: np.ndarray, truth: Trajectories = TRUTH, **more: object) -> float:
    return float(score_users(x, y, truth, [name], **more)[name].mean())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", metrics.names())
def test_copied_truth_is_perfect_for_every_user(name: str) -> None:
    scores = score_users(TRUTH.x, TRUTH.y, TRUTH, [name])[name]
    assert (scores == PERFECT[name]).all()


@pytest.mark.parametrize("answer", [constant, shuffled])
@pytest.mark.parametrize("name", metrics.names())
def test_constant_and_shuffled_answers_are_worse_than_a_near_miss(name: str, answer) -> None:  # type: ignore[no-untyped-def]
    sign = 1 if metrics.get(name).better == "higher" else -1
    trivial, near = mean(name, *answer(TRUTH)), mean(name, *noisy(TRUTH, spread=1))
    if name in VACUOUS:
        assert trivial == near == 1.0
    else:
        assert sign * trivial < sign * near


@pytest.mark.parametrize("name", metrics.names())
def test_unanswered_is_worst(name: str) -> None:
    sign = 1 if metrics.get(name).better == "higher" else -1
    x, y = noisy(TRUTH)
    missed = np.zeros(len(TRUTH), bool)
    answered = mean(name, x, y, missed=missed)
    missed[::3] = True
    some = mean(name, x, y, missed=missed)
    nothing = mean(name, x, y, missed=np.ones(len(TRUTH), bool))
    far = mean(name, np.full(len(TRUTH), 200), np.full(len(TRUTH), 200))
    assert sign * nothing < sign * some < sign * answered
    assert sign * nothing <= sign * far + 1e-9
    bounds = {"share": (0, 1), "": (0, 1), "km": (0, 1e4)}[metrics.get(name).unit]
    assert bounds[0] <= nothing <= bounds[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_bounds_hold_for_any_answer(seed: int, days: int) -> None:
    truth = walks(3, seed=seed, days=days, points=(1, 6))
    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, 201, size=(2, len(truth)))
    frame = score_users(x, y, truth, metrics.names())
    diagonal = np.hypot(199, 199) / 2
    for name in metrics.names():
        values = frame[name].dropna().to_numpy()
        assert (values >= 0).all()
        if metrics.get(name).unit in ("", "share"):
            assert (values <= 1 + 1e-12).all()
        elif "error" in name or "jump" in name:
            assert (values <= diagonal).all()
    assert (frame["median_error@v1"] <= diagonal).all()
    assert (frame["accuracy@v1"] <= frame["within_1km@v1"]).all()
    np.testing.assert_allclose(frame["fastdtw@check"], frame["dtw@fixed"], rtol=1e-12)


def day(cells: list[tuple[int, int]], times: list[int] | None = None, d: int = 2) -> Trajectories:
    x, y = np.array(cells).T
    t = np.arange(len(cells)) if times is None else np.array(times)
    zero = np.zeros(len(cells))
    return Trajectories.build(("A",), city=zero, uid=zero, d=zero + d, t=t, x=x, y=y)


def test_points_by_hand() -> None:
    truth = day([(10, 10)] * 4)
    frame = score_users(np.array([10, 12, 13, 10]), np.array([10, 10, 14, 30]), truth, metrics.names())
    assert frame["accuracy@v1"][0] == 0.25
    assert frame["within_1km@v1"][0] == 0.5
    assert frame["mean_error@v1"][0] == pytest.approx((0 + 1 + 2.5 + 10) / 4)
    assert frame["median_error@v1"][0] == pytest.approx((1 + 2.5) / 2)
    km = score_users(
        np.array([10, 12, 13, 10]), np.array([10, 10, 14, 30]), truth, ["mean_error@v1"], world=World(Grid(cell_km=1.0))
    )
    assert km["mean_error@v1"][0] == pytest.approx((0 + 2 + 5 + 20) / 4)


def test_rhythm_asks_for_the_place_at_the_hour_not_at_the_point() -> None:
    home, work, other = (5, 5), (9, 9), (50, 50)
    truth = day([home, work, home, home, work, other], times=[16, 17, 18, 30, 31, 40])  # two points an hour

    def rhythm(cells: list[tuple[int, int]], world: World | None = None) -> float:
        x, y = np.array(cells).T
        return float(score_users(x, y, truth, ["rhythm@v1"], world=world)["rhythm@v1"][0])

    assert rhythm([work, home, home, work, home, other]) == 0  # swapped within the hours 8 and 15
    assert rhythm([home, home, home, home, work, other]) == pytest.approx((1 + 1) / 2 / 6)
    assert rhythm([work, work, work, work, home, other]) == pytest.approx((1 + 1 + 1 + 1) / 2 / 6)
    assert rhythm([home] * 6) == pytest.approx((2 + 2 + 1) / 2 / 6)
    hours = World(Grid(slots=96))  # then 16 and 17 are hour 4, 30 and 31 hour 7
    assert rhythm([work, home, home, work, home, other], hours) == 0


def test_rhythm_parts_working_days_from_off_days() -> None:
    cells = [(5, 5), (9, 9)]
    two = Trajectories.build(("A",), city=np.zeros(2), uid=np.zeros(2), d=[5, 6], t=[20, 20], x=[5, 9], y=[5, 9])
    x, y = np.array(cells[::-1]).T
    apart = score_users(x, y, two, ["rhythm@v1"], world=World(calendar=Calendar(frozenset({6}), frozenset())))
    together = score_users(x, y, two, ["rhythm@v1"], world=World(calendar=Calendar(frozenset(), frozenset())))
    assert apart["rhythm@v1"][0] == 1.0
    assert together["rhythm@v1"][0] == 0.0


def test_jumps_by_hand() -> None:
    truth = day([(1, 1), (1, 5), (1, 5)], times=[0, 1, 3])  # jumps of 2 and 0 km
    names = ["jump_distance@v1", "plausible_jumps@v1"]
    still = score_users(np.ones(3), np.ones(3), truth, names).iloc[0]
    assert still.tolist()[-2:] == [1.0, 1.0]
    far = score_users(np.array([1, 161, 1]), np.ones(3), truth, names).iloc[0]  # 80 km in 0.5 and in 1 hour
    assert far.tolist()[-2:] == [pytest.approx((80 + 78) / 2), 0.5]


def test_users_without_a_jump_get_no_jump_score() -> None:
    alone = day([(3, 3)])
    frame = score_users(alone.x, alone.y, alone, metrics.names())
    assert np.isnan(frame["jump_distance@v1"][0])
    assert np.isnan(frame["plausible_jumps@v1"][0])
    assert frame["geobleu@giscup25"][0] == 1


def test_frame_has_a_row_per_user_and_no_rows_for_none() -> None:
    frame = score_users(*noisy(TRUTH), TRUTH, ["accuracy@v1", "dtw@fixed"])
    assert list(frame) == ["city", "uid", "days", "points", "accuracy@v1", "dtw@fixed"]
    assert frame["points"].sum() == len(TRUTH)
    assert set(frame["days"]) == {6}
    none = TRUTH.take(slice(0, 0))
    empty = score_users(none.x, none.y, none, metrics.names())
    assert len(empty) == 0
    assert set(metrics.names()) <= set(empty)


def test_registry_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bench.evaluation import metrics; metrics.names(); metrics.get('dtw@fixed')\n"
        "print([m for m in ('numpy', 'pandas', 'numba', 'torch', 'scipy', 'fastdtw') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_metric_has_a_version_and_a_docstring_in_its_module() -> None:
    assert metrics.names()[:4] == metrics.MAIN
    assert set(metrics.OFF_BY_DEFAULT) <= set(metrics.names())
    for name in metrics.names():
        metric = metrics.get(name)
        assert name.count("@") == 1
        assert metric.better in ("higher", "lower")
        assert metric.title
        assert metric.about
    with pytest.raises(UserError, match="did you mean 'dtw@fixed'"):
        metrics.get("dtw@fix")


def test_titles_differ_and_a_reader_never_sees_a_file_name() -> None:
    titles = [metrics.get(name).title for name in metrics.names()]
    assert len(set(titles)) == len(titles)
    assert not any("@" in title for title in titles)
    assert metrics.title_of("geobleu@humob24") == "GEO-BLEU (HuMob 2024)"
    assert metrics.title_of("gone@v0") == "gone@v0"


def test_no_published_score_is_too_good_to_be_true() -> None:
    for table in published.read().tables:
        for name, values in zip(table.metrics, zip(*table.scores.values(), strict=True), strict=True):
            limit = metrics.limit_of(name)
            assert limit is None or max(values) < 0.8 * limit


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from((2, 4, 5)))
def test_geobleu_of_any_grid_counts_kilometres(seed: int, finer: int) -> None:
    """The same places on cells that are so many times finer score alike, and as in HuMob 2024 on its own cells."""
    truth = walks(3, seed=seed, days=2)
    x, y = noisy(truth)
    usual = score_users(x, y, truth, ["geobleu@humob24", "geobleu@grid"])
    assert np.array_equal(usual["geobleu@humob24"], usual["geobleu@grid"])
    fine = Trajectories.build(truth.cities, **{n: getattr(truth, n) for n in ("city", "uid", "d", "t")},
                              x=truth.x.astype(int) * finer, y=truth.y.astype(int) * finer)  # fmt: skip
    world = World(Grid(200 * finer, 200 * finer, 0.5 / finer, 24))
    scores = score_users(np.asarray(x) * finer, np.asarray(y) * finer, fine, ["geobleu@grid", "dtw@fixed"], world=world)
    # A fifth of 500 m is not exact: of pairs that are equally near, rounding decides which is taken first.
    np.testing.assert_allclose(scores["geobleu@grid"], usual["geobleu@grid"], atol=1e-3 if finer == 5 else 1e-9)
    np.testing.assert_allclose(scores["dtw@fixed"], score_users(x, y, truth, ["dtw@fixed"])["dtw@fixed"], rtol=1e-9)


@pytest.mark.parametrize("grid", [Grid(cell_km=1.0), Grid(slots=24)])
@pytest.mark.parametrize("name", ["geobleu@humob24", "geobleu@giscup25", "dtw@humob24"])
def test_a_challenges_version_is_refused_on_other_grids(name: str, grid: Grid) -> None:
    with pytest.raises(UserError, match=f"{name}: defined on cells of 500 m and 48 slots a day only, not on 200 x 200"):
        score_users(TRUTH.x, TRUTH.y, TRUTH, ["dtw@fixed", name], world=World(grid))
    assert metrics.undefined([name], Grid(width=37, height=61)) is None, "how many cells there are does not matter"
