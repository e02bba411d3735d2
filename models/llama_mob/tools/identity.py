"""Do all ways of decoding answer alike, and in how many passes? Measured on users of a data set, with an untuned base.

    python -m models.llama_mob.tools.identity --data humob:FOLDER --to results/decoding/identity.md

Every way answers the same queries one user at a time and in a batch, in float32 and in bfloat16. The reference is
constrained decoding in float32, one token at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tabulate import tabulate

from bench.adapters.adapter import Context
from bench.data.sources import Source, open_source
from bench.data.trajectories import Queries, Trajectories
from bench.errors import UserError
from bench.files import write_or_print
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob.settings import Numbers

REFERENCE = "constrained"
WAYS: dict[str, dict[str, Any]] = {
    REFERENCE: {"mode": "constrained"},
    "jump-forward": {"mode": "jump_forward"},
    "chain of 16": {"mode": "speculative", "draft": "chain", "draft_tokens": 16},
    "tree of 32": {"mode": "speculative", "draft": "tree", "nodes": 32},
    "tree of 64": {"mode": "speculative", "draft": "tree", "nodes": 64},
}
CHOICES: dict[str, dict[str, Any]] = {
    "greedy": {"choose": "greedy"},
    "expected proximity": {"choose": "expected_proximity"},
    "sampled (temperature 0.6, top-p 0.9)": {"temperature": 0.6, "top_p": 0.9},
}
BATCH = 8  # users


@dataclass(frozen=True)
class People:
    """Users of all cities: what is seen of them and what is asked."""

    history: Trajectories
    queries: Queries


@dataclass(frozen=True)
class Run:
    """One way's answers: cells (n, 2) and forward passes a trajectory."""

    cells: np.ndarray
    passes: float


def first_users(source: Source, city: str, users: int, seen: tuple[int, int], asked: tuple[int, int]) -> Trajectories:
    """Return all rows of a city's first users who have records on days of both kinds."""
    rows = source.load(city)
    there = set(rows.days(*seen).users) & set(rows.days(*asked).users)
    return rows.only([user for user in rows.users if user in there][:users])


def people_of(data: str, cities: Sequence[str], users: int, seen: tuple[int, int], asked: tuple[int, int]) -> People:
    """Return the first users of each city that have records in both windows. Raises UserError where there are none."""
    source = open_source(data)
    rows = Trajectories.concat([first_users(source, city, users, seen, asked) for city in cities])
    if not len(rows):
        raise UserError(f"--data {data}: no user has records on days {seen[0]}-{seen[1]} and {asked[0]}-{asked[1]}")
    return People(rows.days(*seen), rows.days(*asked).queries())


def answer(people: People, base: dict[str, Any], precision: str, batch: int, decoding: dict[str, Any]) -> Run:
    """Let a base, untuned, answer in one way of decoding; base: its settings."""
    how = {"precision": precision, "decoding": {"batch": batch, **decoding}}
    model = LlamaMob(LlamaMobSettings(**base, tuning="none", **how))
    answers = model.predict(people.history, people.queries, Context(seed=1))
    usage = model.usage()
    return Run(np.stack([answers.x, answers.y], axis=1), usage["forward_passes"] / usage["users"])


def compare(
    people: People, base: dict[str, Any], precisions: Sequence[str] = ("float32", "bfloat16")
) -> list[list[Any]]:
    """Return a row for each choice, way and precision: passes a trajectory, share of cells that differ."""
    rows = []
    for choice, choosing in CHOICES.items():
        reference = answer(people, base, "float32", 1, WAYS[REFERENCE] | choosing)
        for name, way in WAYS.items():
            for precision in precisions:
                runs = [answer(people, base, precision, batch, way | choosing) for batch in (1, BATCH)]
                differ = [float(np.mean(np.any(run.cells != reference.cells, axis=1))) for run in runs]
                rows.append([choice, name, precision, f"{runs[0].passes:.1f}", *(f"{share:.1%}" for share in differ)])
    return rows


def report(rows: Sequence[Sequence[Any]], people: People, command: str) -> str:
    """Return the table as Markdown, with the command that made it and what it was measured on."""
    heads = ["choice of number", "decoding", "precision", "passes a trajectory", "cells that differ, one at a time"]
    table = tabulate(rows, [*heads, f"in batches of {BATCH}"], tablefmt="pipe", disable_numparse=True)
    users, points = len(people.queries.users), len(people.queries)
    return (
        "# Ways of decoding answer alike\n\n"
        f"Made by `{command}`\n\n"
        f"{users} users, {points} points asked. The reference is `constrained` in float32, one user at a time. Passes "
        "count after the prompt. The base is untuned.\n\n"
        f"{table}\n"
    )


def _days(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"{text}: write FIRST-LAST, e.g. 46-59")
    return int(first), int(last)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.identity", description=about)
    parser.add_argument("--data", required=True, help="synthetic, or humob:FOLDER")
    parser.add_argument("--cities", nargs="+", default=["B", "C"], help="whose users are asked")
    parser.add_argument("--users", type=int, default=8, help="users of each city")
    parser.add_argument("--seen", type=_days, default=(46, 59), help="days of the history")
    parser.add_argument("--asked", type=_days, default=(60, 62), help="days to predict")
    parser.add_argument("--base", default="tiny", help="tiny, smollm2, a folder or a hub id")
    parser.add_argument("--numbers", default="auto", choices=get_args(Numbers), help="how numbers are written")
    parser.add_argument("--to", type=Path, help="a Markdown file; without it the table is printed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write or print the table."""
    given = options(arguments)
    people = people_of(given.data, given.cities, given.users, given.seen, given.asked)
    kind = given.data.partition(":")[0]
    data = f"{kind}:FOLDER" if ":" in given.data else kind
    base = f" --base {given.base}" if given.base != "tiny" else ""
    base += f" --numbers {given.numbers}" if given.numbers != "auto" else ""
    days = " ".join(
        f"--{name} {first}-{last}" for name, (first, last) in (("seen", given.seen), ("asked", given.asked))
    )
    asked = f"--data {data}{base} --cities {' '.join(given.cities)} --users {given.users} {days}"
    command = f"python -m models.llama_mob.tools.identity {asked} --to FILE"
    text = report(compare(people, {"base": given.base, "numbers": given.numbers}), people, command)
    write_or_print(text, given.to)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
