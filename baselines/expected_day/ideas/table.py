"""The tables: a row an idea, what it scores, and how much more that is than without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from baselines.expected_day.ideas.trial import METRICS
from bench.evaluation import bootstrap


def mean(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return everybody's mean scores over seeds; all frames have the same users in the same order."""
    whole = frames[0].copy()
    for metric in METRICS:
        whole[metric] = np.mean([frame[metric].to_numpy() for frame in frames], axis=0)
    return whole


def row(name: str, given: pd.DataFrame, base: pd.DataFrame) -> list[str]:
    """Return a row: mean scores, and differences with their intervals; cities count alike."""
    cells = [name]
    for metric in METRICS:
        cities = list(base.groupby("city").indices.items())
        gain = (given[metric] - base[metric]).to_numpy()
        samples = [bootstrap.over_users(gain[rows][:, None], str(city))[:, 0] for city, rows in cities]
        low, high = bootstrap.interval(np.mean(samples, axis=0))
        average = np.mean([given[metric].to_numpy()[rows].mean() for _city, rows in cities])
        change = np.mean([gain[rows].mean() for _city, rows in cities])
        cells += [f"{average:.4f}", f"{change:+.4f} [{low:+.4f}, {high:+.4f}]"]
    return cells


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as Markdown."""
    heads = ["idea", *(head for metric in METRICS for head in (metric, "change"))]
    return tabulate(rows, headers=heads, tablefmt="pipe", disable_numparse=True)
