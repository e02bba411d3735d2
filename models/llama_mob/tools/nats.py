"""What does the truth cost models as they ship? Nats a cell, with no answer decoded.

    python -m models.llama_mob.tools.nats --data synthetic --users 200 --to results/nats/synthetic.md

All are asked for the same days of the same users. A language model is shown the true cells before each one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from tabulate import tabulate

from bench.adapters import registry
from bench.adapters.adapter import Adapter, Context
from bench.data.sources import Source, open_source
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from bench.evaluation import bootstrap
from bench.evaluation.probabilities import check, losses
from bench.files import write_or_print
from models.llama_mob.tools.identity import first_users

FLOOR = "kernel_vote"
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    FLOOR: (FLOOR, {}),
    "SmolLM2-135M, untrained": ("llama_mob", {"base": "smollm2", "preset": "short", "tuning": "none"}),
    "tiny decoder, untrained": ("llama_mob", {"tuning": "none"}),
    "lp_bert, its start": ("lp_bert", {"epochs": 0}),
}
AT_ONCE = 10  # users


def people_of(source: Source, city: str, users: int, window: Window) -> Trajectories:
    """Return the rows of the first users who have some in the history and in the horizon. Raises UserError."""
    rows = first_users(source, city, users, window.history, window.horizon)
    if len(rows.users) < 2:
        raise UserError(f"--data: city {city} has {len(rows.users)} users with records on all those days; 2 are needed")
    return rows


def nats(model: Adapter, rows: Trajectories, ctx: Context, name: str) -> np.ndarray:
    """Return each user's mean loss of a cell, float64 (users,)."""
    found = []
    steps = range(0, len(rows.users), AT_ONCE)
    for first in track(steps, name, console=Console(stderr=True), transient=True):
        some = rows.only(rows.users[first : first + AT_ONCE])
        history, truth = some.days(*ctx.window.history), some.days(*ctx.window.horizon)
        given = model.probabilities(history, truth.queries(), ctx, truth)
        lost = losses(check(given, truth.queries(), ctx.grid), truth, ctx.grid)
        found.append(np.add.reduceat(lost, truth.starts[:-1]) / np.diff(truth.starts))
    return np.concatenate(found)


def compare(source: Source, cities: Sequence[str], users: int, window: Window) -> list[list[Any]]:
    """Return a row for each city and model: users, nats with its interval, the paired difference to the floor."""
    table = []
    for city in cities:
        rows, world = people_of(source, city, users, window), source.world(city)
        ctx = Context(window, world.grid, world.calendar, threads=torch.get_num_threads())
        scores = []
        for name, (adapter, settings) in MODELS.items():
            model = registry.make(adapter, dict(settings))
            if adapter == "lp_bert":  # no epochs: it takes up its start and looks at nobody
                model.fit(rows.days(*window.history), None, replace(ctx, seed=1))
            scores.append(nats(model, rows, ctx, f"{city} {name}"))
        columns = np.stack(scores, axis=1)
        samples = bootstrap.over_users(columns, city)
        means, apart = (
            _with_interval(columns, samples),
            _with_interval(columns - columns[:, :1], samples - samples[:, :1], sign="+"),
        )
        named = zip(MODELS, means, apart, strict=True)
        table += [[city, len(columns), name, mean, "–" if name == FLOOR else gap] for name, mean, gap in named]
    return table


def _with_interval(columns: np.ndarray, samples: np.ndarray, sign: str = "") -> list[str]:
    low, high = bootstrap.interval(samples)
    rows = zip(columns.mean(axis=0), low, high, strict=True)
    return [f"{mean:{sign}.3f} [{below:{sign}.3f}, {above:{sign}.3f}]" for mean, below, above in rows]


def report(rows: Sequence[Sequence[Any]], window: Window, command: str) -> str:
    """Return the table as Markdown, with the command that made it and what it was measured on."""
    heads = ["city", "users", "model", "nats a cell", f"minus {FLOOR}"]
    seen, asked = ("{}-{}".format(*days) for days in (window.history, window.horizon))
    return (
        "# Nats a cell without fine-tuning\n\n"
        f"Made by `{command}`\n\n"
        f"Days {seen} are seen, days {asked} asked. Means over users, with 95 % intervals (bootstrap, paired). "
        "A uniform guess over 200 x 200 cells costs 10.6. Intervals are not corrected for the number of pairs.\n\n"
        "The tiny decoder and lp_bert's start were set by hand, then trained on synthetic people of other seeds. "
        "SmolLM2-135M-Instruct is in 4 bits.\n\n"
        f"{tabulate(rows, heads, tablefmt='pipe', disable_numparse=True)}\n"
    )


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.nats", description=about)
    parser.add_argument("--data", default="synthetic", help="synthetic, or humob:FOLDER")
    parser.add_argument("--cities", nargs="+", default=["B", "C"], help="whose users are asked")
    parser.add_argument("--users", type=int, default=200, help="users of each city")
    parser.add_argument("--to", type=Path, help="a Markdown file; without it the table is printed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write or print the table."""
    given, window = options(arguments), Window((50, 59), (60, 61))
    made = {"options": {"users": given.users}} if given.data == "synthetic" else {}
    rows = compare(open_source(given.data, seed=1, **made), given.cities, given.users, window)
    kind = given.data.partition(":")[0]
    data = f"{kind}:FOLDER" if ":" in given.data else kind
    command = f"python -m models.llama_mob.tools.nats --data {data} --users {given.users}"
    write_or_print(report(rows, window, command), given.to)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
