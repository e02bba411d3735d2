"""Tables of points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.trajectories import Answers, Queries, Trajectories, by_user
from bench.errors import UserError
from bench.running.tables import read_table, write_table

KEYS = st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 74), st.integers(0, 47))


def _table(keys: list[tuple[int, int, int, int]]) -> Trajectories:
    city, uid, d, t = (np.array(column) for column in zip(*keys, strict=True))
    x = 1 + (uid * 7 + d * 3 + t) % 200
    return Trajectories.build(("A", "B"), city=city, uid=uid, d=d, t=t, x=x, y=201 - x)


@given(st.lists(KEYS, min_size=1, unique=True))
def test_any_order_of_rows_gives_the_same_sorted_table(keys: list[tuple[int, int, int, int]]) -> None:
    table = _table(keys)
    assert table.fingerprint() == _table(keys[::-1]).fingerprint()
    assert [tuple(row) for row in zip(table.city, table.uid, table.d, table.t, strict=True)] == sorted(keys)


@given(st.lists(KEYS, min_size=1, unique=True))
def test_users_cut_the_table_into_whole_pieces(keys: list[tuple[int, int, int, int]]) -> None:
    table = _table(keys)
    parts = [table.of(user) for user in table.users]
    assert sum(len(part) for part in parts) == len(table)
    assert all(len(part.users) == 1 for part in parts)
    assert (
        Trajectories.concat(parts[::-1])
        .to_frame()
        .equals(table.to_frame().assign(city=Trajectories.concat(parts).to_frame().city))
    )


def test_a_key_twice_is_named() -> None:
    with pytest.raises(UserError, match="city B, uid 3, d 4, t 5"):
        _table([(1, 3, 4, 5), (0, 0, 0, 0), (1, 3, 4, 5)])


def test_users_of_different_cities_do_not_collide() -> None:
    table = _table([(0, 1, 0, 0), (1, 1, 0, 0)])
    assert table.users == (("A", 1), ("B", 1))
    assert len(table.of(("B", 1))) == 1
    assert len(table.of(("C", 1))) == 0


def test_days_are_cut_with_both_ends() -> None:
    table = _table([(0, 1, d, 0) for d in range(10)])
    assert table.days(3, 5).d.tolist() == [3, 4, 5]


def test_tables_survive_the_way_to_a_worker(tmp_path) -> None:
    table = _table([(0, 1, 2, 3), (1, 1, 2, 3)])
    write_table(tmp_path / "t.npz", table)
    assert read_table(tmp_path / "t.npz", Trajectories).fingerprint() == table.fingerprint()
    queries = read_table(tmp_path / "t.npz", Queries)
    assert queries.fingerprint() == table.queries().fingerprint()
    assert not hasattr(queries, "x")


def test_by_user_gives_an_empty_history_to_a_stranger() -> None:
    history, asked = _table([(0, 1, 0, 0)]), _table([(0, 1, 60, 0), (0, 2, 60, 0)]).queries()
    assert [(user, len(past), len(rows)) for user, past, rows in by_user(history, asked)] == [
        (("A", 1), 1, 1),
        (("A", 2), 0, 1),
    ]


def test_answers_join_with_their_raw_text() -> None:
    one = Answers(np.ones(1, np.int16), np.ones(1, np.int16), np.zeros(1, np.int8), raw={("A", 1): "1 1"})
    both = Answers.concat([one, Answers.of(np.array([2]), np.array([3]))])
    assert (both.x.tolist(), both.y.tolist(), dict(both.raw)) == ([1, 2], [1, 3], {("A", 1): "1 1"})


@pytest.mark.parametrize(
    ("name", "value"), [("x", 65541), ("y", 5.5), ("x", np.nan), ("uid", 2**32 + 1), ("d", 70_000), ("city", 300)]
)
def test_a_value_that_a_column_cannot_hold_is_named(name: str, value: float) -> None:
    columns = {column: np.array([0, 0]) for column in Trajectories.columns()} | {"t": np.array([0, 1])}
    columns[name] = np.array([0, value])
    with pytest.raises(UserError, match=f"row 1: {name} = .* is no whole number of this column"):
        Trajectories.build(("A",), **columns)


@given(st.lists(KEYS, min_size=1, unique=True), st.sampled_from([np.int64, np.float64, np.uint32, np.float32]))
def test_columns_of_any_type_give_the_same_table(keys: list[tuple[int, int, int, int]], kind: type) -> None:
    table = _table(keys)
    columns = {name: getattr(table, name).astype(kind) for name in Trajectories.columns()}
    assert Trajectories.build(("A", "B"), **columns).fingerprint() == table.fingerprint()
