"""Groups of users by what their history shows: quartiles of activity and of radius of gyration.

The data hold no demographics; a mean by group is what fairness between users can mean here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.metrics import GROUPS
from bench.trajectories import Trajectories
from bench.world import Grid

_MEASURES = dict(zip(GROUPS, ("points_per_day", "gyration_km"), strict=True))


def user_groups(history: Trajectories, grid: Grid | None = None) -> pd.DataFrame:
    """Describe every user of ``history`` and say in which quarter of its city's users it is.

    Index: (city, uid). Columns: points_per_day (on days on which the user was seen), gyration_km (radius of gyration:
    root mean square distance from the mean cell; Gonzalez, Hidalgo and Barabasi, Nature 2008), and for each of the two
    a group, ``activity`` and ``gyration``: q1 for the lowest quarter to q4. Users with equal values share a group.
    """
    rows = history.to_frame()
    seen = rows.groupby(np.repeat(np.arange(len(history.users)), np.diff(history.starts)))
    days = seen["d"].nunique().to_numpy()
    spread = seen["x"].var(ddof=0) + seen["y"].var(ddof=0)
    cell_km = (grid or Grid()).cell_km
    users = pd.DataFrame(
        {"points_per_day": seen.size().to_numpy() / days, "gyration_km": np.sqrt(spread.to_numpy(float)) * cell_km},
        index=pd.MultiIndex.from_tuples(history.users, names=["city", "uid"]),
    )
    for group, measure in _MEASURES.items():
        place = users.groupby("city")[measure].rank(method="average", pct=True).to_numpy()
        users[group] = [f"q{quarter}" for quarter in np.ceil(place * 4).clip(1, 4).astype(int)]
    return users


def labels(history: Trajectories, users: tuple[tuple[str, int], ...], grid: Grid) -> dict[str, list[str | None]]:
    """Return the groups of these users, in order; None for a user without a history."""
    known = user_groups(history, grid)[list(GROUPS)].to_dict("index") if len(history) else {}
    return {group: [known[user][group] if user in known else None for user in users] for group in GROUPS}
