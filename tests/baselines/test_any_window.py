"""Statistics cope with any grid, any window and any history, and answer with cells within the grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import OK, Queries, Trajectories
from bench.data.world import Grid, Window

OWN_CELLS = (
    "user_mode",
    "slot_mode",
    "weekday_slot_mode",
    "offday_slot_mode",
    "kernel_vote",
    "bigram",
    "tt_knn",
    "expected_day",
)
GRIDS = st.builds(Grid, width=st.integers(1, 300), height=st.integers(1, 300), slots=st.sampled_from([1, 24, 48, 144]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Grid, Window, Trajectories, Queries]:
    """Draw a grid, a window and one user's points before and times within the horizon."""
    grid = draw(GRIDS)
    past, horizon = draw(st.integers(1, 60)), draw(st.integers(1, 15))
    window = Window((0, past - 1), (past, past + horizon - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def times(first: int, last: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        among = (last - first + 1) * grid.slots
        chosen = rng.choice(among, size=min(among, int(rng.integers(1, most))), replace=False)
        return first + chosen // grid.slots, chosen % grid.slots

    d, t = times(*window.history, 60)
    cells = rng.integers(1, [grid.width, grid.height], size=(4, 2), endpoint=True)[rng.integers(0, 4, len(d))]
    key = {"city": np.zeros(len(d)), "uid": np.full(len(d), 3)}
    history = Trajectories.build(("Z",), **key, d=d, t=t, x=cells[:, 0], y=cells[:, 1])
    d, t = times(*window.horizon, 20)
    return grid, window, history, Queries.build(("Z",), city=np.zeros(len(d)), uid=np.full(len(d), 3), d=d, t=t)


@pytest.mark.parametrize("name", [*OWN_CELLS, "user_mean"])
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_answers_are_cells_of_the_user_or_at_least_of_the_grid(
    name: str, case: tuple[Grid, Window, Trajectories, Queries]
) -> None:
    grid, window, history, queries = case
    given_answers = registry.make(name).predict(history, queries, Context(grid=grid, window=window))
    assert (given_answers.status == OK).all()
    assert given_answers.x.min() >= 1
    assert given_answers.y.min() >= 1
    assert given_answers.x.max() <= grid.width
    assert given_answers.y.max() <= grid.height
    if name in OWN_CELLS:
        seen = set(zip(history.x.tolist(), history.y.tolist(), strict=True))
        assert set(zip(given_answers.x.tolist(), given_answers.y.tolist(), strict=True)) <= seen


@pytest.mark.parametrize("name", OWN_CELLS)
@settings(max_examples=20, deadline=None)
@given(case=cases(), shift=st.integers(1, 8))
def test_the_same_weeks_later_give_the_same_answers(
    name: str, case: tuple[Grid, Window, Trajectories, Queries], shift: int
) -> None:
    """Statistics know days by weekday, day type and distance alone (holidays aside)."""
    from bench.data.world import Calendar

    grid, window, history, queries = case
    calendar = Calendar(holidays=frozenset())
    model, later = registry.make(name), 7 * shift
    moved = Window(
        (window.history[0] + later, window.history[1] + later), (window.horizon[0] + later, window.horizon[1] + later)
    )
    first = model.predict(history, queries, Context(grid=grid, window=window, calendar=calendar))
    columns = {name: getattr(history, name) for name in history.columns()}
    again = model.predict(
        Trajectories.build(history.cities, **{**columns, "d": history.d + later}),
        Queries.build(queries.cities, city=queries.city, uid=queries.uid, d=queries.d + later, t=queries.t),
        Context(grid=grid, window=moved, calendar=calendar),
    )
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.y, again.y)


@pytest.mark.parametrize("name", ["svr", "candidate_boosting"])
def test_learners_cope_with_a_short_window_and_another_grid(name: str) -> None:
    world = SmallWorld.make(Grid(width=25, height=15, slots=24), Window((0, 13), (14, 16)), testers=4, trainers=4)
    model = registry.make(name)
    model.fit(world.split.train, world.split.validate, world.context())
    answers = model.predict(world.split.history, world.split.queries, world.context())
    asked = [
        user != world.unknown for user in world.split.queries.users for _ in range(len(world.split.queries.of(user)))
    ]
    assert ((answers.status == OK) == np.array(asked)).all()
    assert answers.x.max() <= 25
    assert answers.y.max() <= 15
