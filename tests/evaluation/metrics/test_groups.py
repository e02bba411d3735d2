"""Groups of users by their histories."""

from __future__ import annotations

import numpy as np
import pandas as pd
from walks import walks

from bench.data.trajectories import Trajectories
from bench.data.world import Grid
from bench.evaluation.metrics.groups import group_means, user_groups


def people(radii: list[int], points: list[int]) -> Trajectories:
    """Users who go to and fro between two cells ``2 * radius`` apart, ``points`` times on one day."""
    rows = [
        (uid, 0, t, 100 + radius * (-1) ** t, 50)
        for uid, (radius, count) in enumerate(zip(radii, points, strict=True))
        for t in range(count)
    ]
    uid, d, t, x, y = np.array(rows).T
    return Trajectories.build(("A",), city=np.zeros(len(uid)), uid=uid, d=d, t=t, x=x, y=y)


def test_radius_and_activity_by_hand() -> None:
    groups = user_groups(people([4, 0, 8, 2], [2, 4, 6, 8]))
    assert groups["gyration"].tolist() == [2.0, 0.0, 4.0, 1.0]
    assert groups["activity"].tolist() == [2, 4, 6, 8]
    assert groups["activity_q"].tolist() == [1, 2, 3, 4]
    assert groups["gyration_q"].tolist() == [3, 1, 4, 2]
    assert user_groups(people([4], [2]), Grid(cell_km=1.0))["gyration"].tolist() == [4.0]


def test_equal_users_share_a_quarter_and_quarters_are_even() -> None:
    assert user_groups(people([3] * 6, [2] * 6))["gyration_q"].nunique() == 1
    counts = user_groups(people(list(range(40)), [2] * 40))["gyration_q"].value_counts()
    assert counts.to_dict() == {1: 10, 2: 10, 3: 10, 4: 10}


def test_quarters_are_taken_within_a_city() -> None:
    near, far = walks(8, seed=1, city="A"), walks(8, seed=2, city="B")
    both = user_groups(Trajectories.concat([near, far]))
    alone = user_groups(far)
    assert both[both["city"] == "B"]["gyration_q"].tolist() == alone["gyration_q"].tolist()


def test_group_means_leave_out_users_without_history() -> None:
    history = people([4, 0, 8, 2], [2, 4, 6, 8])
    scores = user_groups(history)[["city", "uid"]].assign(**{"dtw@fixed": [1.0, 2.0, 3.0, 4.0]})
    stranger = scores.tail(1).assign(uid=99, **{"dtw@fixed": 1000.0})
    means = group_means(pd.concat([scores, stranger]), user_groups(history), "dtw@fixed")
    assert means["activity_q1"] == 1.0
    assert means["gyration_q1"] == 2.0
    assert set(means) == {f"{kind}_q{i}" for kind in ("activity", "gyration") for i in range(1, 5)}
    assert max(means.values()) == 4.0
