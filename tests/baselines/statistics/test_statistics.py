"""Per-user statistics on histories small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.data.trajectories import MISSING, Answers, Queries, Trajectories
from bench.data.world import Calendar, Grid

HOME, WORK, PARK, SHOP = (10, 10), (50, 50), (90, 20), (91, 20)
Row = tuple[int, int, tuple[int, int]]


def history(rows: list[Row], uid: int = 1) -> Trajectories:
    """Make one user's history from rows (day, slot, cell)."""
    d, t, cells = zip(*rows, strict=True)
    x, y = zip(*cells, strict=True)
    n = len(rows)
    columns = {name: np.array(values) for name, values in (("d", d), ("t", t), ("x", x), ("y", y))}
    return Trajectories.build(("A",), city=np.zeros(n), uid=np.full(n, uid), **columns)


def queries(*times: tuple[int, int], uid: int = 1) -> Queries:
    d, t = np.array(times).T
    return Queries.build(("A",), city=np.zeros(len(d)), uid=np.full(len(d), uid), d=d, t=t)


def ask(name: str, rows: list[Row], *times: tuple[int, int], **settings: object) -> list[tuple[int, int]]:
    """Return the cells answered at the given (day, slot)."""
    given = registry.make(name, settings).predict(history(rows), queries(*times), Context())
    assert not given.status.any()
    return list(zip(given.x.tolist(), given.y.tolist(), strict=True))


def test_user_mode_is_the_first_of_the_most_frequent() -> None:
    rows = [(0, 1, WORK), (0, 2, HOME), (0, 3, HOME), (0, 4, WORK), (0, 5, PARK)]
    assert ask("user_mode", rows, (60, 0), (61, 40)) == [WORK, WORK]


def test_user_mean_is_rounded() -> None:
    rows = [(0, 1, (1, 10)), (0, 2, (2, 10)), (0, 3, (2, 13))]
    assert ask("user_mean", rows, (60, 0)) == [(2, 11)]


def test_slot_mode_widens_from_the_slot_to_its_neighbours_to_all() -> None:
    rows = [(0, 10, WORK), (1, 10, WORK), (2, 10, PARK), (0, 20, HOME), (1, 20, HOME), (2, 21, HOME), (3, 40, PARK)]
    assert ask("slot_mode", rows, (60, 10), (60, 12), (60, 22), (60, 30)) == [WORK, WORK, HOME, HOME]
    assert ask("slot_mode", rows, (60, 12), reach=1) == [HOME], "the most frequent of all"


@pytest.mark.parametrize(("ties", "cell"), [("first", WORK), ("recent", PARK), ("frequent", HOME)])
def test_slot_mode_breaks_ties_as_told(ties: str, cell: tuple[int, int]) -> None:
    rows = [(0, 10, WORK), (1, 10, HOME), (2, 10, PARK), (2, 30, HOME)]
    assert ask("slot_mode", rows, (60, 10), ties=ties) == [cell]


def test_midnight_is_a_border() -> None:
    rows = [(0, 0, HOME), (0, 46, WORK), (1, 46, WORK)]
    assert ask("slot_mode", rows, (60, 1), (60, 47)) == [HOME, WORK]


def test_weekday_slot_mode_asks_the_weekday_first_and_then_the_slot() -> None:
    rows = [(1, 10, HOME), (2, 10, WORK), (3, 10, WORK), (8, 10, HOME)]
    assert ask("weekday_slot_mode", rows, (64, 10), (65, 10), (67, 10)) == [HOME, WORK, HOME]


def test_offday_slot_mode_knows_weekends_and_holidays() -> None:
    rows = [(2, 10, WORK), (3, 10, WORK), (4, 10, WORK), (6, 10, PARK), (8, 10, SHOP)]
    monday, saturday = (64, 10), (62, 10)
    assert ask("offday_slot_mode", rows, monday, saturday) == [SHOP, WORK]  # rows come in time order
    given = registry.make("offday_slot_mode").predict(
        history(rows), queries(saturday), Context(calendar=Calendar(frozenset(), frozenset()))
    )
    assert (given.x[0], given.y[0]) == WORK, "without off-days all days are alike"


def test_offday_slot_mode_stays_with_its_day_type_before_it_widens() -> None:
    rows = [(2, 10, WORK), (3, 10, WORK), (6, 11, PARK)]
    assert ask("offday_slot_mode", rows, (62, 10)) == [PARK]


def test_kernel_vote_weighs_slot_weekday_day_type_and_age() -> None:
    assert ask("kernel_vote", [(2, 10, WORK), (3, 14, HOME)], (60, 11), (60, 13)) == [WORK, HOME]
    assert ask("kernel_vote", [(4, 10, WORK), (5, 10, HOME)], (60, 10), (61, 10)) == [WORK, HOME]
    assert ask("kernel_vote", [(5, 10, WORK), (6, 10, HOME)], (62, 10), (65, 10)) == [HOME, WORK]
    old_and_new = [(2, 10, WORK), (9, 10, WORK), (58, 10, HOME)]
    assert ask("kernel_vote", old_and_new, (65, 10)) == [HOME]
    assert ask("kernel_vote", old_and_new, (65, 10), tau=1e6) == [WORK]


def test_kernel_vote_prefers_a_neighbourhood_to_a_lone_cell() -> None:
    rows = [(16, 10, HOME), (23, 10, HOME), (30, 10, SHOP), (37, 10, PARK), (44, 10, SHOP), (51, 10, PARK)]
    everywhere_alike = {"tau": 1e12, "weekday": 1.0, "day_type": 1.0}
    rows.append((58, 10, HOME))
    assert ask("kernel_vote", rows, (60, 10), decode="slot", **everywhere_alike) == [HOME]
    assert ask("kernel_vote", rows, (60, 10), **everywhere_alike) == [SHOP]


def test_kernel_vote_has_an_answer_for_an_hour_far_from_all_that_is_known() -> None:
    assert ask("kernel_vote", [(2, 0, HOME), (3, 1, HOME), (3, 2, WORK)], (60, 47)) == [HOME]


def test_bigram_follows_the_most_frequent_successor_and_else_stays() -> None:
    rows = [(d, t, cell) for d in (0, 1, 2) for t, cell in ((8, HOME), (9, WORK), (10, PARK))]
    rows.append((3, 8, HOME))
    assert ask("bigram", rows, (60, 9), (60, 10), (60, 11), (61, 8)) == [WORK, PARK, PARK, HOME]


def test_bigram_draws_from_the_nucleus_only() -> None:
    rows = [(d, t, HOME if t == 8 else cell) for d, cell in enumerate([WORK] * 6 + [PARK] * 3 + [SHOP]) for t in (8, 9)]
    rows.append((10, 8, HOME))
    first = (60, 9)
    drawn = set()
    for seed in range(40):
        given = registry.make("bigram", {"top_p": 0.7}).predict(history(rows), queries(first), Context(seed=seed))
        drawn.add((int(given.x[0]), int(given.y[0])))
    assert drawn == {WORK, PARK}


def test_tt_knn_repeats_one_day_and_leaves_rare_cells_out() -> None:
    days = [(d, t, cell) for d in range(6) for t, cell in ((8, HOME), (12, WORK), (20, HOME))]
    rows = [*days, (6, 12, PARK), (6, 13, PARK)]
    first, second = ask("tt_knn", rows, *[(60, t) for t in (8, 12, 13, 20)]), None
    second = ask("tt_knn", rows, *[(63, t) for t in (8, 12, 13, 20)])
    assert first == second == [HOME, WORK, WORK, HOME]


def test_tt_knn_goes_to_the_nearest_of_the_slots_points() -> None:
    rows = [(d, 9, PARK if d < 6 else HOME) for d in range(12)] + [(d, 8, SHOP) for d in range(12)]
    assert ask("tt_knn", rows, (60, 8), (60, 9), k=3) == [SHOP, PARK]


def test_svr_follows_the_hours() -> None:
    rows = [(d, t, HOME if t < 24 else WORK) for d in range(20) for t in range(0, 48, 3)]
    (near_home, near_work) = ask("svr", rows, (25, 6), (25, 36))
    assert np.hypot(near_home[0] - HOME[0], near_home[1] - HOME[1]) < 6
    assert np.hypot(near_work[0] - WORK[0], near_work[1] - WORK[1]) < 6


def test_forest_parts_hours_and_day_types() -> None:
    working = [(d, t, HOME if t < 20 else WORK) for d in range(20) if d % 7 not in (0, 6) for t in range(0, 48, 4)]
    rows = working + [(d, t, HOME if t < 20 else PARK) for d in (6, 7, 13, 14) for t in range(0, 48, 2)]
    assert ask("forest", rows, (24, 8), (24, 40), (27, 8), (27, 40)) == [HOME, WORK, HOME, PARK]


STATISTICS = (
    *("user_mode", "user_mean", "slot_mode", "weekday_slot_mode", "offday_slot_mode"),
    *("kernel_vote", "bigram", "tt_knn", "svr", "forest"),
)


@pytest.mark.parametrize("name", STATISTICS)
def test_one_point_is_enough_and_none_is_missing(name: str) -> None:
    assert ask(name, [(0, 5, PARK)], (60, 5), (61, 30)) == [PARK, PARK]
    nobody = registry.make(name).predict(history([(0, 5, PARK)]), queries((60, 5), uid=2), Context(grid=Grid(99, 99)))
    assert isinstance(nobody, Answers)
    assert nobody.status.tolist() == [MISSING]
