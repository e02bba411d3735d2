"""Metrics, each name@version with unit and direction; the one entry point that scores users is :func:`score_users`.

To add one: a module with ``score(pairs) -> {name@version: one float per user}`` and a line in the registry below. A
changed definition is a new version, beside the old one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.data.trajectories import Trajectories
    from bench.data.world import Grid, World
    from bench.evaluation.metrics.divergence import Divergence
    from bench.evaluation.metrics.pairs import Pairs


@dataclass(frozen=True)
class Metric:
    """One number per user: what it is called, measured in, better in which direction, and computed where.

    name: name@version, as files have it; title: what readers see, everywhere; limit: a mean beyond it is too good to be
    true, None where nothing is known; any_grid: False where it is defined on cells of 500 m and half-hours alone;
    whole_days: it says nothing of a part of a day's points (slices.py).
    """

    name: str
    unit: str
    better: Literal["higher", "lower"]
    title: str
    about: str
    module: str
    limit: float | None = None
    any_grid: bool = True
    whole_days: bool = False


# A limit lies some 40 % above the best city mean of any logged run or published model: .362 and .248, a consensus of
# logged runs of Llama-3-8B-Mob on 100 users of B.
_REGISTRY = {
    metric.name: metric
    for metric in (
        Metric(
            "geobleu@humob24", "", "higher", "GEO-BLEU (HuMob 2024)", "n-grams up to 3", "geobleu", 0.5, any_grid=False
        ),
        Metric(
            "geobleu@giscup25",
            "",
            "higher",
            "GEO-BLEU (GIS Cup 2025)",
            "n-grams up to 5",
            "geobleu",
            0.35,
            any_grid=False,
        ),
        Metric(
            "dtw@humob24",
            "km",
            "lower",
            "DTW (HuMob 2024)",
            "a beginning may be skipped for free",
            "dtw",
            any_grid=False,
        ),
        Metric("dtw@fixed", "km", "lower", "DTW (true)", "true dynamic time warping", "dtw"),
        Metric("geobleu@grid", "", "higher", "GEO-BLEU (any grid)", "n-grams up to 3, near by km", "geobleu"),
        Metric("accuracy@v1", "share", "higher", "exact cell", "points predicted in their very cell", "points"),
        Metric("within_1km@v1", "share", "higher", "within 1 km", "points predicted at most 1 km away", "points"),
        Metric("mean_error@v1", "km", "lower", "mean error", "mean distance to the true cell", "points"),
        Metric("median_error@v1", "km", "lower", "median error", "median distance to the true cell", "points"),
        Metric(
            "rhythm@v1",
            "share",
            "lower",
            "rhythm error",
            "presence at the two main places, by hour",
            "rhythm",
            whole_days=True,
        ),
        Metric(
            "jump_distance@v1",
            "km",
            "lower",
            "jump length error",
            "how far jumps are from true ones",
            "jumps",
            whole_days=True,
        ),
        Metric(
            "plausible_jumps@v1",
            "share",
            "higher",
            "plausible jumps",
            "jumps slower than 150 km/h",
            "jumps",
            whole_days=True,
        ),
        Metric(
            "accuracy_at_1@v1", "share", "higher", "accuracy at 1", "the cell ranked first is the true one", "ranks"
        ),
        Metric("accuracy_at_5@v1", "share", "higher", "accuracy at 5", "the true cell is among the first 5", "ranks"),
        Metric(
            "accuracy_at_10@v1", "share", "higher", "accuracy at 10", "the true cell is among the first 10", "ranks"
        ),
        Metric("mrr_at_10@v1", "share", "higher", "MRR at 10", "mean of 1 / rank of the true cell, up to 10", "ranks"),
        Metric(
            "fastdtw@check",
            "km",
            "lower",
            "FastDTW (check)",
            "slow cross-check of the true DTW",
            "fastdtw",
            whole_days=True,
        ),
    )
}

# Metrics of all users together (divergence.py), which no single user has.
CORPUS = {
    metric.name: metric
    for metric in (
        Metric("jsd_distance@v1", "", "lower", "JSD jump length", "jumps of all users, by km", "divergence"),
        Metric("jsd_gyration@v1", "", "lower", "JSD radius of gyration", "days of all users, by km", "divergence"),
        Metric("jsd_duration@v1", "", "lower", "JSD stay duration", "stays of all users, by timeslots", "divergence"),
        Metric("jsd_places@v1", "", "lower", "JSD daily places", "days, by number of cells", "divergence"),
        Metric("jsd_g_rank@v1", "", "lower", "JSD G-rank", "shares of the 100 most visited cells", "divergence"),
        Metric("jsd_i_rank@v1", "", "lower", "JSD I-rank", "shares of each user's own cells by rank", "divergence"),
    )
}

MAIN = ("geobleu@humob24", "geobleu@giscup25", "dtw@humob24", "dtw@fixed")
ANY_GRID = ("geobleu@grid", "dtw@fixed")  # what stands for them on other grids
RANKS = 10  # cells of a ranked answer that any metric looks at
OFF_BY_DEFAULT = ("fastdtw@check",)


def names() -> tuple[str, ...]:
    """All metrics, name@version, the four main figures first."""
    return tuple(_REGISTRY)


def get(name: str) -> Metric:
    """Return one metric. Raises UserError with the nearest name if there is none."""
    if name not in _REGISTRY:
        raise UserError(f"metric '{name}' is not known{nearest(name, _REGISTRY)}")
    return _REGISTRY[name]


def title_of(name: str) -> str:
    """Return what readers see of a metric; its name where it is no longer known."""
    known = _REGISTRY.get(name) or CORPUS.get(name)
    return known.title if known else name


def limit_of(name: str) -> float | None:
    """Return the mean beyond which a metric is too good to be true, if there is one."""
    return _REGISTRY[name].limit if name in _REGISTRY else None


def ranks_wanted(names: Sequence[str]) -> int:
    """Return how many ranked cells these metrics look at; 0 where one answer is enough."""
    return RANKS if any(get(name).module == "ranks" for name in names) else 0


def undefined(metrics: Sequence[str], grid: Grid) -> str | None:
    """Return why some of the metrics say nothing on this grid, or None."""
    lost = [name for name in metrics if not get(name).any_grid] if not is_humob(grid) else []
    if not lost:
        return None
    return (
        f"{', '.join(lost)}: defined on cells of 500 m and 48 slots a day only, not on {grid}; "
        f"write metrics: {{main: {ANY_GRID[0]}, also: [{', '.join(ANY_GRID[1:])}]}}"
    )


def is_humob(grid: Grid) -> bool:
    """Tell whether cells and slots are those of HuMob and the GIS Cup; how many cells there are does not matter."""
    return (grid.cell_km, grid.slots) == (0.5, 48)


def score_users(
    predicted_x: np.ndarray,
    predicted_y: np.ndarray,
    truth: Trajectories,
    metrics: Sequence[str] = MAIN,
    *,
    missed: np.ndarray | None = None,
    world: World | None = None,
    threads: int | None = None,
    ranked: np.ndarray | None = None,
) -> pd.DataFrame:
    """Score every user of ``truth``: columns city, uid, days, points, then one per metric, named name@version.

    predicted_x, predicted_y: cells, row by row as the truth stands. missed: boolean per row; such rows count as the
    worst answer there is (a metric's module says what that is), which gives the score "misses as zero". world: grid
    and calendar (HuMob's where None). threads: all cores where None. ranked: cells held likeliest, see
    :class:`Pairs`. A user to whom a metric does not apply gets NaN.
    Raises UserError on an unknown metric, one that is not defined on this grid, another number of rows, or a prediction
    that is no number.
    """
    import pandas as pd

    from bench.evaluation.metrics.pairs import Pairs

    wanted = [get(name) for name in metrics]
    pairs = Pairs.of(predicted_x, predicted_y, truth, missed, world, threads, ranked)
    if lacking := undefined(metrics, pairs.world.grid):
        raise UserError(lacking)
    users = {"city": [city for city, _uid in truth.users], "uid": [uid for _city, uid in truth.users]}
    counts = {"days": pairs.days_per_user, "points": pairs.points_per_user}
    return pd.DataFrame({**users, **counts, **_scores(pairs, wanted)})


def score_corpus(
    predicted_x: np.ndarray, predicted_y: np.ndarray, truth: Trajectories, world: World | None = None
) -> dict[str, Divergence]:
    """Score all users of ``truth`` together: each metric of :data:`CORPUS` with its interval over users."""
    from bench.evaluation.metrics import divergence
    from bench.evaluation.metrics.pairs import Pairs

    return divergence.score(Pairs.of(predicted_x, predicted_y, truth, None, world))


def _scores(pairs: Pairs, wanted: Sequence[Metric]) -> dict[str, np.ndarray]:
    """Compute each module once; return the wanted columns in order."""
    if not pairs.days:
        return {metric.name: pairs.error_km for metric in wanted}  # no users, no rows
    found: dict[str, np.ndarray] = {}
    for module in dict.fromkeys(metric.module for metric in wanted):
        found |= importlib.import_module(f"bench.evaluation.metrics.{module}").score(pairs)
    return {metric.name: found[metric.name] for metric in wanted}
