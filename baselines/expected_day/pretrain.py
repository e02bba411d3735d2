"""Make the shipped weights of expected_day: python -m baselines.expected_day.pretrain [--users 25] [--cities 8].

Fits the logit to synthetic people of cities that no protocol uses (seeds from 2000 on), in the challenges' windows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from baselines.expected_day import PRETRAINED, ExpectedDaySettings
from baselines.expected_day.fitting import examples, fit
from baselines.expected_day.weights import Weights
from bench.adapters.adapter import Context
from bench.data.sources.synthetic import CITIES, Synthetic
from bench.data.trajectories import Trajectories

FIRST_SEED = 2000


def pretrain(users: int, cities: int, ctx: Context) -> Weights:
    """Fit the weights to ``users`` people of each of ``cities`` synthetic cities, of the kinds A-D in turn."""
    people = []
    for i in range(cities):
        kind = list(CITIES)[i % len(CITIES)]
        rows = Synthetic(seed=FIRST_SEED + i, users=users).load(kind)
        columns = {name: getattr(rows, name) for name in rows.columns()} | {"uid": rows.uid + i * users}
        people.append(Trajectories((kind,), **columns))
    setting = ExpectedDaySettings()
    drawn = examples(Trajectories.concat(people), 3, setting.fit_candidates, 2 * setting.points, ctx)
    assert drawn is not None, "the synthetic people have points"
    return fit(drawn, setting.ridge, setting.steps)


def main() -> None:
    """Read the arguments, fit, write."""
    parser = argparse.ArgumentParser(description="Make the shipped weights of expected_day.")
    parser.add_argument("--users", type=int, default=25, help="people a city")
    parser.add_argument("--cities", type=int, default=8, help="synthetic cities, of the kinds A-D in turn")
    parser.add_argument("--out", type=Path, default=PRETRAINED, help="file to write")
    given = parser.parse_args()
    pretrain(given.users, given.cities, Context()).save(given.out)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
