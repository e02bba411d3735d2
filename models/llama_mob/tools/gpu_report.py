"""What Llama-Mob takes on a GPU, in one command of minutes: ``python -m models.llama_mob.tools.gpu_report``.

    python -m models.llama_mob.tools.gpu_report --data humob:FOLDER --city B --answers ANSWERS.csv --to gpu_report.md

Weights are random and of the wanted shape, with the paper's prompts, answers and RoPE scaling: times are those of real
weights, answers are not. So that drafts are accepted as often as a tuned model accepts them, each number that the
passes score is taken from given answers: logged ones of a tuned model (``--answers``: uid,d,t,x,y), or the truth.
Beside it: lp_bert, and how many answers stay the same in bfloat16. The file is written anew after every line.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bench.adapters import registry
from bench.adapters.adapter import Context, Settings
from bench.cli.options import number
from bench.data.sources import open_source
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from bench.files import write_text
from bench.profiling import profile, roofline
from bench.profiling.profile import Line, People, Variant
from bench.profiling.table import table_of
from bench.profiling.variants import DECODINGS
from bench.records.provenance import machine
from bench.report import markdown, numbers
from bench.report.tables import Table, make_table
from bench.running.hardware import detect
from models.llama_mob.answering import Answering
from models.llama_mob.base import base, shapes
from models.llama_mob.settings import Decoding, LlamaMobSettings
from models.llama_mob.tools.given import GivenMob

FIRST, LAST = (
    ("speculative-chain", "jump_forward"),
    ("speculative-tree", "constrained"),
)  # what the time does not allow is left out
ALONE = 4  # users that are asked for one at a time
WIDE, WIDE_STOP = 16, 0.5  # in batches of so many a guess must be likelier: wrong ones cost as much as right ones there
COMPARED = 2  # users whose answers are compared between number formats


@dataclass(frozen=True)
class Report:
    """One report under way: where, for whom, in which batches, and until when."""

    shape: str
    batches: tuple[int, ...]
    ctx: Context
    people: People
    given: Trajectories
    history_days: int | None
    until: float
    rates: roofline.Rates

    def settings(self, name: str, batch: int | None = None, **more: Any) -> LlamaMobSettings:
        """Return the paper's settings with random weights and one way of decoding."""
        decoding = {**DECODINGS[name], "temperature": 0.0, "top_p": 1.0, "batch": batch}
        if batch and batch >= WIDE:
            decoding["stop"] = WIDE_STOP
        bare = {"base": "tiny", "weights": "random", "shape": self.shape, "tuning": "none", "quantize": None}
        chosen = {"preset": "paper", **bare}
        return LlamaMobSettings(**{**chosen, "history_days": self.history_days, "decoding": decoding, **more})

    def late(self) -> bool:
        """Return whether the time is over."""
        return time.monotonic() > self.until


def lp_bert(report: Report) -> Iterator[Line]:
    """Measure lp_bert with its shipped weights, untuned: tuning changes no time."""
    model = registry.make("lp_bert", {"epochs": 0, "predict_batch": max(report.batches)})
    model.fit(report.people.train, None, report.ctx)
    for batch in report.batches:
        yield _measured(model, Variant("lp_bert", batch, model.settings), report)


def llama(report: Report, modes: Sequence[str]) -> Iterator[Line]:
    """Measure each mode in each batch, ``forced`` in the smallest alone.

    Where users are asked for one at a time their passes are recorded in a first round, as they are for those who come
    first of many.
    """
    model = GivenMob(report.settings(modes[0], 1), report.given)
    for batch in report.batches:
        for mode in modes:
            if report.late() or (mode == "constrained" and batch > min(report.batches)):
                continue
            variant = Variant(mode, batch, report.settings(mode, batch))
            if batch == 1 and mode != "constrained":
                _measured(model, variant, report)
            yield _measured(model, variant, report)


def _measured(model: Any, variant: Variant, report: Report) -> Line:
    users = 1 if variant.name == "constrained" else max(ALONE, variant.batch)
    return profile.measure(model, report.people, variant, users, report.ctx, lambda: report.rates)


def equal_answers(report: Report) -> Table:
    """Compare the cells of bfloat16 with those of float32, and of drafts with jump-forward decoding."""
    rows = []
    shaped = report.settings("jump_forward", COMPARED).model_copy(update={"precision": "bfloat16"})
    tiny = LlamaMobSettings(tuning="none", history_days=report.history_days)
    for name, settings in (("tiny, pretrained", tiny), (f"{report.shape}, random", shaped)):
        exact = _loaded(settings, "float32", report)
        reference = _cells(exact, settings, "jump_forward", report)
        rows.append(
            [name, "float32 speculative-tree", _share(_cells(exact, settings, "speculative-tree", report), reference)]
        )
        del exact
        half = _loaded(settings, "bfloat16", report)
        for mode in ("jump_forward", "speculative-chain", "speculative-tree"):
            rows.append([name, f"bfloat16 {mode}", _share(_cells(half, settings, mode, report), reference)])
        del half
    columns = [("weights", False), ("way", False), ("equal cells", True)]
    users = len(report.people.queries.users[:COMPARED])
    note = (
        f"Share of {users} users' points with the cell of float32 jump; a point that differs changes what follows. "
        "Random weights hardly prefer any number, so that rounding decides far more often than with trained ones."
    )
    return make_table("Equal answers", columns, rows, [note])


def _loaded(settings: LlamaMobSettings, precision: str, report: Report) -> base.Loaded:
    """Load a base; random weights are drawn in bfloat16 and widened, so that both formats hold the same numbers."""
    drawn = "bfloat16" if settings.weights == "random" else precision
    loaded = base.load(settings.model_copy(update={"precision": drawn}), report.ctx)
    loaded.model.to(getattr(torch, precision)) if drawn != precision else None
    return loaded


def _cells(loaded: base.Loaded, settings: Settings, mode: str, report: Report) -> np.ndarray:
    asked = report.people.queries.users[:COMPARED]
    history, queries = report.people.history.only(asked), report.people.queries.only(asked)
    decoding = report.settings(mode, COMPARED).decoding
    chosen: Any = settings.model_copy(update={"decoding": decoding})
    answers, _spent = Answering(loaded.model, loaded.tokens, chosen, report.ctx).answer(history, queries)
    return np.stack([answers.x, answers.y], axis=1)


def _share(cells: np.ndarray, reference: np.ndarray) -> str:
    return numbers.share(float((cells == reference).all(axis=1).mean()))


def prepare(given: argparse.Namespace, scratch: Path) -> Report:
    """Open the data and choose the users; scratch: for what a fit leaves. Raises UserError."""
    where = detect(1, given.device)
    if where.device == "cuda" and not machine().gpu:
        raise UserError("--device cuda: this machine has no GPU; --device cpu tries a small shape")
    _check_days(given)
    if given.shape != "tiny":
        shapes.known(given.shape)
    batches = tuple(number(text, "--batch") for text in given.batch.split(","))
    source = open_source(given.data)
    window = Window((60 - given.history_days, 59), (60, 59 + given.horizon_days)) if given.history_days else Window()
    city = given.city or source.cities()[-1]
    ctx = Context(
        window,
        source.world(city).grid,
        source.world(city).calendar,
        device=where.device,
        threads=where.threads,
        folder=scratch,
    )
    table, said = source.load(city), None
    if given.answers:
        said = _answers(given.answers, city)
        table = table.only([user for user in table.users if user in set(said.users)])
    people = profile.people(table, ctx, max(ALONE, *batches), 20)
    said = (table if said is None else said).only(people.queries.users).days(*window.horizon)
    if said.queries().fingerprint() != people.queries.fingerprint():
        raise UserError(
            f"--answers {given.answers}: must answer every record of days {window.horizon[0]} to {window.horizon[1]}"
        )
    until = time.monotonic() + 60 * given.minutes
    rates = roofline.rates_of(where.device, machine().gpu, "bfloat16" if where.device == "cuda" else "float32")
    return Report(given.shape, batches, ctx, people, said, given.history_days, until, rates)


def _check_days(given: argparse.Namespace) -> None:
    """Refuse days that the data do not have. Raises UserError."""
    for option, days, most in (("--history-days", given.history_days, 60), ("--horizon-days", given.horizon_days, 15)):
        if days is not None and not 1 <= days <= most:
            raise UserError(f"{option} {days}: must be from 1 to {most}")


def _answers(path: Path, city: str) -> Trajectories:
    """Read given answers. Raises UserError."""
    try:
        return Trajectories.from_frame(pd.read_csv(path), city)
    except OSError as error:
        raise UserError(f"--answers {path}: cannot be read ({error.strerror or error})") from None
    except KeyError as error:
        raise UserError(f"--answers {path}: has no column {error}; uid,d,t,x,y are needed") from None
    except (ValueError, OverflowError) as error:
        raise UserError(f"--answers {path}: is no table of uid,d,t,x,y ({str(error).splitlines()[0]})") from None


def write(report: Report, given: argparse.Namespace) -> None:
    """Measure line by line and write the file after each."""
    lines: list[Line] = []
    equal: list[Table] = []

    def save(line: Line | None = None) -> None:
        lines.extend([line] if line else [])
        tables = [table_of(f"llama_mob of shape {report.shape}, and lp_bert", lines, _notes(report, given)), *equal]
        write_text(given.to, "\n".join(markdown.render_table(table) for table in tables))

    for line in chain(lp_bert(report), llama(report, FIRST)):
        save(line)
    if not report.late():
        equal.append(equal_answers(report))
        save()
    for line in llama(report, LAST):
        save(line)


def _notes(report: Report, given: argparse.Namespace) -> list[str]:
    here, rows = machine(), len(report.people.history) / len(report.people.history.users)
    answers = "logged ones of a tuned model" if given.answers else "the users' true cells"
    return [
        f"Hardware: {here.gpu or here.cpu}, {here.cores} cores. Data: {given.data}, {rows:,.0f} rows a history.",
        f"Random weights with the paper's prompt and answer; drafts are verified against {answers}.",
        f"Guesses have a joint probability of {Decoding().stop} or more, {WIDE_STOP} in batches of {WIDE} and larger.",
        f"Roofline: the least time for these passes and tokens, at {report.rates}.",
    ]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.llama_mob.tools.gpu_report", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--shape", default="llama-3-8b", help="of the random weights")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", default="1,32", help="users at a time")
    parser.add_argument("--data", default="synthetic", help="synthetic or humob:FOLDER")
    parser.add_argument("--city", help="whose users are asked for; the last one if left out")
    parser.add_argument("--answers", type=Path, help="CSV of answers that drafts are verified against; else the truth")
    parser.add_argument("--history-days", type=int, help="all 60 if left out")
    parser.add_argument("--horizon-days", type=int, default=15, help="with --history-days")
    parser.add_argument("--minutes", type=float, default=6.0, help="no further line is begun after that")
    parser.add_argument("--to", type=Path, default=Path("gpu_report.md"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the report and print it; what the user can mend is one line and exit code 2."""
    given = options(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            write(prepare(given, Path(scratch)), given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(given.to.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
