"""Read the files, try every idea, print the tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import track

from baselines.expected_day.ideas import columns, pause, samples
from baselines.expected_day.ideas.refinement import refined
from baselines.expected_day.ideas.table import mean, row, table
from baselines.expected_day.ideas.trial import METRICS, Drawn, Trial
from bench.adapters.adapter import Context
from bench.data.files.csvfiles import read_points
from bench.data.poi import Poi, read_poi
from bench.data.trajectories import Trajectories
from bench.data.world import Grid, Window

WINDOW = Window((0, 44), (45, 59))
AS_IT_IS = "as it is"
NO_POI = "Points of interest were not asked: a city has no table of them.\n\n"
PAGE = """# What further ideas are worth to expected_day

Made by `python -m baselines.expected_day.ideas FOLDER`

Days 45-59 of {users} users, weights fitted to days 0-44; each user's scores are means over {seeds} seeds. In brackets:
95 % intervals of the paired difference over users. They are not corrected for the number of ideas: if none of the
{ideas} were worth anything, one in twenty of their {intervals} intervals would still leave 0 out.

{table}

- *Other seeds*: the same model draws other days. So much is chance.
- *Flows of others*: with every seed the same points are hit.
- *One exact sweep*: after the decoding, once through each day. At each point the 4 cells drawn most often are tried,
  and scored by the metric's own code (GEO-BLEU of HuMob 2024) against so many of the drawn days.
- *Stacked*: another model's shares of the candidates are one more column of the logit, with a weight of its own.
  candidate_boosting is fitted to days 0-44 of the other half of the people. lp_bert is the shipped one: its weights
  have seen synthetic people alone, whose habits were fitted to aggregates of cities B and C of HuMob 2024, days 0-74.
- *Points of interest*, three columns: how many are in a cell, how many in it and the cells around it, and whether such
  ones draw people at that hour.

{note}## Training windows with a break of the calendar

In GIS Cup 2025 the days to predict of cities C and D lie months after the last known day. Those data are not at hand.
Here the same people have a break of 15 days: days 0-29 are known, days 45-59 are asked, and the calendar knows of the
break. Weights are fitted to two windows of the other half of the people: both without a break, or one of them with it.
That window ends on days 45-59, the dates that are asked, of people who are not.

{pause}
"""


def ideas(trial: Trial, tables: Mapping[str, Poi]) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return the name of each idea, and what scores it."""

    def drawn(make: Callable[..., list[Drawn]], *given: float) -> Callable[[], pd.DataFrame]:
        return lambda: trial.scores(make(trial, *given))

    def swept(count: int) -> Callable[[], pd.DataFrame]:
        return lambda: trial.scores(trial.drawn, [refined(one, trial.answer(one), count) for one in trial.drawn])

    def wider(make: Callable[..., columns.Columns], *given: object) -> Callable[[], pd.DataFrame]:
        return lambda: trial.scores(columns.with_columns(trial, make(trial, *given)))

    flipped = {f"{s:.0%} of the samples: other type of day": drawn(samples.day_types, s) for s in (0.05, 0.1, 0.2)}
    flowing = {f"{s:.0%} of the points: flows of others": drawn(samples.flows, s) for s in (0.05, 0.14)}
    return {
        AS_IT_IS: lambda: trial.scores(trial.drawn),
        "other seeds": drawn(samples.another_seed),
        "256 samples": drawn(samples.more_samples, 256),
        **flipped,
        **flowing,
        **{f"one exact sweep, {count} samples": swept(count) for count in (16, 32, 64)},
        "stacked: candidate_boosting": wider(columns.boosting),
        "stacked: lp_bert": wider(columns.lp_bert),
        **({"points of interest": wider(columns.poi, tables)} if tables else {}),
    }


def poi_tables(folder: Path, cities: tuple[str, ...]) -> dict[str, Poi]:
    """Read the cities' tables of points of interest; nothing where one is missing."""
    paths = {city: folder / f"poi_city_{city}.csv.gz" for city in cities}
    whole = all(path.exists() for path in paths.values())
    return {city: read_poi(path, Grid()) for city, path in paths.items()} if whole else {}


def page(people: Trajectories, tables: Mapping[str, Poi], seeds: int) -> str:
    """Try every idea on days 0-59 of some people, with each seed; return the tables as Markdown."""
    contexts = [Context(window=WINDOW, seed=seed) for seed in range(seeds)]
    tried = [ideas(Trial.of_histories(people, ctx), tables) for ctx in contexts]
    shown = track(tried[0], "ideas", console=Console(stderr=True), transient=True)
    scores = {name: mean([named[name]() for named in tried]) for name in shown}
    rows = [row(name, found, scores[AS_IT_IS]) for name, found in scores.items()]
    pairs = zip(*(pause.without_and_with(people, ctx) for ctx in contexts), strict=True)
    without, with_break = (mean(frames) for frames in pairs)
    paused = [row("windows without a break", without, without), row("one window with a break", with_break, without)]
    return PAGE.format(
        users=len(people.users),
        seeds=seeds,
        ideas=len(rows) - 2,  # less "as it is" and "other seeds"
        intervals=len(METRICS) * (len(rows) - 2),
        table=table(rows),
        note="" if tables else NO_POI,
        pause=table(paused),
    )


def main() -> None:
    """Read the files, and print the page."""
    parser = argparse.ArgumentParser(description="What further ideas are worth to expected_day, on days 45-59.")
    parser.add_argument("folder", type=Path, help="holds city_X.csv.gz, and poi_city_X.csv.gz if there are such tables")
    parser.add_argument("--seeds", type=int, default=3, help="how many times all is fitted and drawn; scores are means")
    given = parser.parse_args()
    files = sorted(given.folder.glob("city_?.csv.gz"))
    if not files or given.seeds < 1:
        parser.error(f"{given.folder} has no city_X.csv.gz" if not files else "--seeds: at least 1")
    parts = [read_points(path, city=path.name[5]).visible.days(0, WINDOW.horizon[1]) for path in files]
    cities = tuple(path.name[5] for path in files)
    print(page(Trajectories.concat(parts), poi_tables(given.folder, cities), given.seeds), end="")


if __name__ == "__main__":
    main()
