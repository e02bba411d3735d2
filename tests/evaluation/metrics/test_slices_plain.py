"""Slices and ranked cells on random trajectories against loops over single points."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.trajectories import Trajectories
from bench.data.world import Window, World
from bench.evaluation.metrics import RANKS, score_users
from bench.evaluation.metrics.slices import score_slices, slices_of

WORLD, WINDOW = World(), Window((0, 9), (10, 13))
RANKED = ("accuracy_at_1@v1", "accuracy_at_5@v1", "accuracy_at_10@v1", "mrr_at_10@v1")


def random_people(seed: int, users: int) -> Trajectories:
    rng = np.random.default_rng(seed)
    keys = [(u, d, t) for u in range(users) for d in range(14) for t in range(48) if rng.random() < 0.1]
    rows = [(u, d, t, *rng.integers(50, 53, 2)) for u, d, t in keys]
    return Trajectories.from_frame(pd.DataFrame(rows, columns=["uid", "d", "t", "x", "y"]), "B")


def plain(whole: Trajectories, said: dict[tuple[int, int, int], tuple[int, int]]) -> dict[tuple[int, str, str], float]:
    """(user, kind, slice) -> share of right points, point by point."""
    hits: dict[tuple[int, str, str], list[bool]] = defaultdict(list)
    for _, uid in whole.users:
        user = whole.of(("B", uid))
        seen: set[tuple[int, int]] = set()
        before = None
        for d, t, *cell in zip(*(getattr(user, name).tolist() for name in ("d", "t", "x", "y")), strict=True):
            here = (cell[0], cell[1])
            if d >= WINDOW.horizon[0]:
                off = bool(WORLD.calendar.is_off(np.array([d]))[0])
                slices = {"cell": "visited" if here in seen else "new", "day": str(d - WINDOW.horizon[0] + 1)}
                slices |= {"hour": str(t // 2), "day_type": "off" if off else "workday"}
                if before is not None:
                    slices["step"] = "stay" if here == before else "move"
                for kind, name in slices.items():
                    hits[uid, kind, name].append(said[uid, d, t] == here)
            else:
                seen.add(here)
            before = here
    return {key: sum(right) / len(right) for key, right in hits.items()}


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), users=st.integers(1, 5))
def test_accuracy_by_slice_is_that_of_loops(seed: int, users: int) -> None:
    whole = random_people(seed, users)
    history, truth = whole.days(*WINDOW.history), whole.days(*WINDOW.horizon)
    rng = np.random.default_rng(seed + 1)
    x, y = (np.where(rng.random(len(truth)) < 0.5, of, of + 1) for of in (truth.x, truth.y))
    kinds = list(slices_of(truth, history, WORLD, WINDOW))
    found = score_slices(x, y, truth, ("accuracy@v1",), kinds, WORLD)
    got = {(row.uid, str(row.kind), str(row.slice)): row._asdict()["_6"] for row in found.itertuples(index=False)}
    uids = [truth.users[i][1] for i in np.repeat(np.arange(len(truth.users)), np.diff(truth.starts))]
    rows = zip(uids, truth.d.tolist(), truth.t.tolist(), x.tolist(), y.tolist(), strict=True)
    assert got == pytest.approx(plain(whole, {(u, d, t): (a, b) for u, d, t, a, b in rows}))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), points=st.integers(1, 12))
def test_ranked_cells_score_as_loops_say(seed: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.integers(1, 4, (points, 2))
    ranked = np.array([rng.permutation([(x, y) for x in range(1, 5) for y in range(1, 5)])[:RANKS] for _ in cells])
    columns = {name: np.zeros(points, int) for name in ("city", "uid", "d")}
    truth = Trajectories.build(("B",), **columns, t=np.arange(points), x=cells[:, 0], y=cells[:, 1])
    frame = score_users(ranked[:, 0, 0], ranked[:, 0, 1], truth, RANKED, ranked=ranked.astype(np.int16))
    right, reciprocal = {1: 0, 5: 0, 10: 0}, 0.0
    for cell, row in zip(cells.tolist(), ranked.tolist(), strict=True):
        place = row.index(cell) + 1 if cell in row else None
        for most in right:
            right[most] += place is not None and place <= most
        reciprocal += 1 / place if place else 0
    wanted = [count / points for count in right.values()] + [reciprocal / points]
    assert [float(frame[name].iloc[0]) for name in RANKED] == pytest.approx(wanted)
