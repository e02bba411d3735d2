"""What further ideas are worth: python -m baselines.expected_day.ideas FOLDER [--seed 0].

FOLDER holds city_X.csv.gz. Days 45-59 are asked with weights fitted to days 0-44, with and without each idea; later
days are dropped as they are read. It prints a table, a row an idea: mean scores, and the paired difference with its
95 % interval (bootstrap over users, cities count alike). An idea gets a place in the model if its interval is above 0.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tabulate import tabulate

from baselines.expected_day import ExpectedDay, ExpectedDaySettings
from bench.adapters.adapter import Context
from bench.data.files.csvfiles import read_points
from bench.data.trajectories import Queries, Trajectories, by_user
from bench.data.world import Calendar, Window
from bench.evaluation import bootstrap
from bench.evaluation.decoding import best_days
from bench.evaluation.metrics import score_users

WINDOW = Window((0, 44), (45, 59))
METRICS = ("geobleu@humob24", "geobleu@giscup25", "dtw@fixed")
Cells = tuple[np.ndarray, np.ndarray]


class Drawn(NamedTuple):
    """One user's history and queries, and sampled days (samples, queries) as indices into the cells x, y."""

    history: Trajectories
    queries: Queries
    days: np.ndarray
    x: np.ndarray
    y: np.ndarray


class Trial:
    """The model, fitted to the known days, and the days it draws for every user."""

    def __init__(self, table: Trajectories, seed: int) -> None:
        self.ctx = Context(window=WINDOW, seed=seed)
        self.history, self.truth = table.days(*WINDOW.history), table.days(*WINDOW.horizon)
        self.model = ExpectedDay(ExpectedDaySettings(learn="test histories"))
        self.model.fit(self.history, None, self.ctx)
        self.drawn = self.draw(self.model, self.ctx)

    def draw(self, model: ExpectedDay, ctx: Context) -> list[Drawn]:
        """Return every user's sampled days."""
        drawn = []
        for _user, past, asked in by_user(self.history, self.truth.queries()):
            found, days = model.draw(past, asked, ctx)
            drawn.append(Drawn(past, asked, days, found.places.x, found.places.y))
        return drawn

    def scores(self, drawn: list[Drawn]) -> pd.DataFrame:
        """Decode everybody's days, and score them."""
        cells = [answer(one, self.model) for one in drawn]
        x, y = (np.concatenate(axis) for axis in zip(*cells, strict=True))
        return score_users(x, y, self.truth, METRICS, threads=1)


def answer(drawn: Drawn, model: ExpectedDay) -> Cells:
    """Return the day of highest expected score, cell by cell."""
    best = best_days(drawn.days, drawn.x, drawn.y, drawn.queries.d, model.settings.aim)
    return drawn.x[best], drawn.y[best]


def more_samples(trial: Trial, samples: int) -> list[Drawn]:
    """Draw more days."""
    model = ExpectedDay(trial.model.settings.model_copy(update={"samples": samples}))
    model._weights = trial.model.weights
    return trial.draw(model, trial.ctx)


def day_types(trial: Trial, share: float) -> list[Drawn]:
    """Let a share of each day's samples be of the other type: an off-day that the calendar has as a working day."""
    days = np.arange(WINDOW.horizon[1] + 1)
    off = trial.ctx.calendar.is_off(days) ^ (days >= WINDOW.horizon[0])
    other = replace(trial.ctx, calendar=Calendar(weekend=frozenset(), holidays=frozenset(days[off].tolist())))
    mixed = []
    for one, turned in zip(trial.drawn, trial.draw(trial.model, other), strict=True):
        sampled = one.days.copy()
        count = round(share * len(sampled))
        sampled[:count] = turned.days[:count]
        mixed.append(one._replace(days=sampled))
    return mixed


def flows(trial: Trial, share: float, most: int = 30) -> list[Drawn]:
    """Let a share of the points be cells where the user never was, as others went on from the user's own cells."""
    went: dict[str, dict[tuple[int, int], Counter[tuple[int, int]]]] = {}
    for city, uid in trial.history.users:
        rows = trial.history.of((city, uid))
        time, cell = rows.d.astype(np.int64) * 48 + rows.t, list(zip(rows.x.tolist(), rows.y.tolist(), strict=True))
        soon = np.flatnonzero(np.diff(time) <= 8)
        for pair in {(cell[i], cell[i + 1]) for i in soon if cell[i] != cell[i + 1]}:
            went.setdefault(city, {}).setdefault(pair[0], Counter())[pair[1]] += 1
    return [_with_new_cells(one, went[one.history.users[0][0]], share, most) for one in trial.drawn]


def _with_new_cells(
    one: Drawn, went: dict[tuple[int, int], Counter[tuple[int, int]]], share: float, most: int
) -> Drawn:
    own = Counter(zip(one.history.x.tolist(), one.history.y.tolist(), strict=True))
    new: Counter[tuple[int, int]] = Counter()
    for cell, points in own.items():
        for target, users in went.get(cell, {}).items():
            if target not in own:
                new[target] += points * users
    if not new:
        return one
    cells, weight = zip(*new.most_common(most), strict=True)
    rng = np.random.default_rng(int(one.history.uid[0]))
    hit, chance = rng.random(one.days.shape) < share, np.array(weight) / sum(weight)
    days = one.days.copy()
    days[hit] = len(one.x) + rng.choice(len(cells), int(hit.sum()), p=chance)
    x, y = zip(*cells, strict=True)
    return one._replace(days=days, x=np.append(one.x, x), y=np.append(one.y, y))


def row(name: str, given: pd.DataFrame, base: pd.DataFrame) -> list[str]:
    """Return a row: mean scores, and differences with their intervals; cities count alike."""
    cells = [name]
    for metric in METRICS:
        cities = list(base.groupby("city").indices.items())
        gain = (given[metric] - base[metric]).to_numpy()
        samples = [bootstrap.over_users(gain[rows][:, None], str(city))[:, 0] for city, rows in cities]
        low, high = bootstrap.interval(np.mean(samples, axis=0))
        mean = np.mean([given[metric].to_numpy()[rows].mean() for _city, rows in cities])
        change = np.mean([gain[rows].mean() for _city, rows in cities])
        cells += [f"{mean:.4f}", f"{change:+.4f} [{low:+.4f}, {high:+.4f}]"]
    return cells


def page(rows: list[list[str]], users: int) -> str:
    """Return the table as Markdown."""
    heads = ["idea", *(head for metric in METRICS for head in (metric, "change"))]
    table = tabulate(rows, headers=heads, tablefmt="pipe", disable_numparse=True)
    return (
        "# What further ideas are worth to expected_day\n\nMade by `python -m baselines.expected_day.ideas FOLDER`\n\n"
        f"Days 45-59 of {users} users, weights fitted to days 0-44. In brackets: 95 % intervals of the paired "
        f"difference over users, not corrected.\n\n{table}\n"
    )


def main() -> None:
    """Read the files, fit, try every idea."""
    parser = argparse.ArgumentParser(description="What further ideas are worth to expected_day, on days 45-59.")
    parser.add_argument("folder", type=Path, help="holds city_X.csv.gz")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn days")
    given = parser.parse_args()
    files = sorted(given.folder.glob("city_?.csv.gz"))
    parts = [read_points(path, city=path.name[5]).visible.days(0, WINDOW.horizon[1]) for path in files]
    trial = Trial(Trajectories.concat(parts), given.seed)
    base = trial.scores(trial.drawn)
    tried = {
        "as it is": trial.drawn,
        "another seed": trial.draw(trial.model, replace(trial.ctx, seed=given.seed + 1)),
        "256 samples": more_samples(trial, 256),
    }
    tried |= {f"{share:.0%} of the samples: other type of day": day_types(trial, share) for share in (0.05, 0.1, 0.2)}
    tried |= {f"{share:.0%} of the points: flows of others": flows(trial, share) for share in (0.05, 0.14)}
    rows = [row(name, trial.scores(drawn), base) for name, drawn in tried.items()]
    print(page(rows, len(trial.history.users)), end="")


if __name__ == "__main__":
    main()
