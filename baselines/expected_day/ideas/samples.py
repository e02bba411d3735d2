"""Other samples: more of them, days of the other type, and cells where the user never was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from baselines.expected_day import ExpectedDay
from baselines.expected_day.ideas.trial import Drawn, Trial
from bench.data.world import Calendar

Flows = dict[tuple[int, int], Counter[tuple[int, int]]]
FAR = 1000  # no other trial has a seed that far off


def another_seed(trial: Trial) -> list[Drawn]:
    """Draw other days of the same model: what chance alone is worth."""
    return trial.draw(trial.model, replace(trial.ctx, seed=trial.ctx.seed + FAR))


def more_samples(trial: Trial, samples: int) -> list[Drawn]:
    """Draw more days."""
    model = ExpectedDay(trial.model.settings.model_copy(update={"samples": samples}))
    model._weights = trial.model.weights
    return trial.draw(model, trial.ctx)


def day_types(trial: Trial, share: float) -> list[Drawn]:
    """Let a share of each day's samples be of the other type: an off-day that the calendar has as a working day."""
    horizon = trial.ctx.window.horizon
    days = np.arange(horizon[1] + 1)
    off = trial.ctx.calendar.is_off(days) ^ (days >= horizon[0])
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
    went: dict[str, Flows] = {}
    for city, uid in trial.history.users:
        rows = trial.history.of((city, uid))
        time, cell = rows.d.astype(np.int64) * 48 + rows.t, list(zip(rows.x.tolist(), rows.y.tolist(), strict=True))
        soon = np.flatnonzero(np.diff(time) <= 8)
        for pair in {(cell[i], cell[i + 1]) for i in soon if cell[i] != cell[i + 1]}:
            went.setdefault(city, {}).setdefault(pair[0], Counter())[pair[1]] += 1
    return [_with_new_cells(one, went.get(one.history.users[0][0], {}), share, most) for one in trial.drawn]


def _with_new_cells(one: Drawn, went: Flows, share: float, most: int) -> Drawn:
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
