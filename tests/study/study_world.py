"""Cities built so that the answer is known, and the command that studies them: B repeats A, C differs."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHONPATH = os.pathsep.join((str(HERE.parents[1]), str(HERE)))  # the packages before the tests
COMMAND = ("study", "known.yaml", "--adapter", "study_models:Moves")
TEXT = """\
schema: 1
name: known
version: 1
about: B is A again, C is another kind, and T has people of both kinds.
data: {source: "humob:cities", cities: [A, B, C, T]}
window: {history: [0, 5], horizon: [6, 7]}
splits:
  - {train: {cities: [A, B, C], days: [0, 7]}, test: [T]}
users: {train: 20, validate: 4, test: 15}
models: [{use: moves}]
metrics: {main: geobleu@humob24, also: [dtw@fixed]}
answers: {fallback: last_cell, most_filled: 0.05}
seeds: [0]
study:
  asked: 15
  space:
    cities: {subsets: [A, B, C]}
  objectives: {geobleu@humob24: maximize, dtw@fixed: minimize}
"""


def write_city(folder: Path, city: str, homes: list[int]) -> None:
    """200 people who live in (home, home) and are elsewhere from day 6 on; which home, by the parity of the uid."""
    rows = ["uid,d,t,x,y"]
    for uid in range(200):
        home = homes[uid % len(homes)]
        away = home + 10 if home < 100 else home - 10
        for d in range(8):
            cell = home if d < 6 else away
            rows += [f"{uid},{d},{t},{cell},{cell}" for t in (10, 20, 30)]
    (folder / f"city_{city}.csv").write_text("\n".join(rows) + "\n")


def make_world(folder: Path, model: str = "{use: moves}") -> None:
    """Write the study's file and its cities."""
    (folder / "cities").mkdir()
    for city, homes in {"A": [50], "B": [50], "C": [150], "T": [50, 150]}.items():
        write_city(folder / "cities", city, homes)
    (folder / "known.yaml").write_text(TEXT.replace("{use: moves}", model))
