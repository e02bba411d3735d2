"""Groups of users by what their history shows: quartiles of activity and of radius of gyration.

The data hold no demographics; a mean by group is what fairness between users can mean here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.data.trajectories import Trajectories
from bench.data.world import Grid

KINDS = ("activity", "gyration")


def user_groups(history: Trajectories, grid: Grid | None = None) -> pd.DataFrame:
    """Describe every user of ``history`` and say which quarter of the city's users it falls into.

    Columns: city, uid, activity (points per day on which the user was seen), gyration (radius of gyration in km: root
    mean square distance from the mean cell), activity_q and gyration_q (1 for the lowest quarter to 4; users with equal
    values share a quarter). Gonzalez, Hidalgo and Barabasi, Nature 2008, for the radius.
    """
    cell_km = (grid or Grid()).cell_km
    users = pd.DataFrame(list(history.users), columns=["city", "uid"])
    rows = history.to_frame()
    seen = rows.groupby([np.repeat(np.arange(len(users)), np.diff(history.starts))])
    users["activity"] = (seen.size() / seen["d"].nunique()).to_numpy(float)
    users["gyration"] = np.sqrt((seen["x"].var(ddof=0) + seen["y"].var(ddof=0)).to_numpy(float)) * cell_km
    for kind in KINDS:
        share = users.groupby("city")[kind].rank(method="average", pct=True)
        users[f"{kind}_q"] = np.ceil(share.to_numpy(float) * 4).clip(1, 4).astype(int)
    return users


def group_means(scores: pd.DataFrame, groups: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return the mean of one metric by group, e.g. ``{"activity_q1": .31, ...}``; users without a history are in none.

    scores: as :func:`bench.evaluation.metrics.score_users` returns; groups: as :func:`user_groups` does.
    """
    both = scores.merge(groups, on=["city", "uid"])
    return {
        f"{kind}_q{quarter}": float(mean)
        for kind in KINDS
        for quarter, mean in both.groupby(f"{kind}_q")[metric].mean().items()
    }
