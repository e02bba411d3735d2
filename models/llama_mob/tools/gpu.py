"""All that waits for a GPU, in two parts of under 8 minutes: ``python -m models.llama_mob.tools.gpu``.

    python -m models.llama_mob.tools.gpu --part 1 --to gpu          # SmolLM2: pretraining_control beside lora_rank
    python -m models.llama_mob.tools.gpu --part 2 --to gpu          # LP-BERT from random weights; the 8B shape
    python -m models.llama_mob.tools.gpu --rehearse --to rehearsal  # both at a small shape, on a CPU

A part starts commands of the project and stops them when its time is over. What is done by then is whole: cases of a
run, LP-BERT's checkpoint, lines of a table. The same command goes on from there. docs/gpu.md says what is written.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console

from bench.errors import UserError
from models.llama_mob.base import folders, gguf_file
from models.llama_mob.settings import SMOLLM2
from models.llama_mob.tools import gathering, rehearsal
from models.llama_mob.tools.timed import Outcome, Step, run

PROTOCOLS = ("pretraining_control", "lora_rank")
FITS, TOKENS_A_PERSON = 11, 1_812  # of both protocols together, "pretrained" and "all weights" being one; 10 + 2 days
TRAINABLE = 0.7  # share of a city's users that the hash gives to training
ATTENTION = 60.0  # seconds at most
ENDING = 40.0  # seconds that a part keeps for its tables


def language_models(given: argparse.Namespace) -> list[Step]:
    """Return the runs of SmolLM2 side by side: while one starts a worker, the other computes."""
    people = max(4, round(given.tokens * 1e6 / FITS / TOKENS_A_PERSON))
    changed = {
        "data.options.users": max(1200, round(1.2 * people / TRAINABLE)),
        "users.train": people,
        "users.test": 200,
        "models.llama_mob.trajectories": people,
    }
    only: dict[str, tuple[str, ...]] = {}
    if given.rehearse:
        changed = rehearsal.PROTOCOL | {"models.llama_mob.base": rehearsal.small_base(given.to / "base")}
        only = rehearsal.ONLY
    sets = [("--set", f"{key}={value}") for key, value in changed.items()]
    same = ("--scale", "gpu", "--out", str(given.to / "runs"), *chain(*sets))
    return [
        Step(name, ("bench.cli.app", "run", name, *same, *chain(*(("--only", model) for model in only.get(name, ())))))
        for name in PROTOCOLS
    ]


def lp_bert(given: argparse.Namespace, minutes: float) -> Step:
    """Return LP-BERT's training from random weights."""
    size = rehearsal.LP_BERT if given.rehearse else {"steps": 5000, "tokens": 8000, "every": 500, "threads": 8}
    options = {"out": given.to / "lp_bert", "begin": "random", "device": _device(given), "minutes": minutes, **size}
    return Step("lp_bert", ("baselines.lp_bert.pretrain", *_options(options)))


def shape_of_8b(given: argparse.Namespace, minutes: float) -> Step:
    """Return the report on Llama-3-8B's shape."""
    size = rehearsal.SHAPE if given.rehearse else {"shape": "llama-3-8b"}
    options = {"device": _device(given), "minutes": minutes, "to": gathering.tables(given.to) / "shape.md", **size}
    return Step("shape", ("models.llama_mob.tools.gpu_report", *_options(options)))


def attention(given: argparse.Namespace) -> Step:
    """Return the comparison of ways to attend to the cache, which takes seconds and says what to make faster."""
    options = {"device": _device(given), "to": gathering.tables(given.to) / "attention.md"}
    return Step("attention", ("models.llama_mob.tools.attention_ways", *_options(options)))


def _device(given: argparse.Namespace) -> str:
    return "cpu" if given.rehearse else "cuda"


def _options(options: Mapping[str, object]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def part(number: int, given: argparse.Namespace) -> list[Outcome]:
    """Do a part in its time; return how its commands ended."""
    until = time.monotonic() + 60 * given.minutes - (0 if given.rehearse else ENDING)
    if number == 1:
        if not given.rehearse:
            folders.prepare(SMOLLM2)  # else both runs would convert the file
        return run(language_models(given), until, given.to)
    half = time.monotonic() + 0.45 * (until - time.monotonic())
    done = run([lp_bert(given, _minutes(half))], half, given.to)
    done += run([attention(given)], min(until, time.monotonic() + ATTENTION), given.to)
    return done + run([shape_of_8b(given, 0.7 * _minutes(until))], until, given.to)


def _minutes(until: float) -> float:
    """Return the minutes until then, less what a command takes to start and to end."""
    return round(max(0.1, (until - time.monotonic() - 20) / 60), 2)


def check(given: argparse.Namespace) -> None:
    """Refuse, before the time runs, a machine that lacks something. Raises UserError with all that it lacks."""
    faults = [f"--minutes {given.minutes}: at least 2 are needed"] if given.minutes < 2 else []
    if given.rehearse:
        raise_all(faults)
        return
    packages = gathering.lacking_packages()
    if packages:
        faults.append(f"not installed: {', '.join(packages)}; pip install them, or their wheels where no network is")
    else:
        import torch

        if not torch.cuda.is_available():
            faults.append("this machine has no GPU; --rehearse tries a small shape on a CPU")
    if given.part == 1 and gguf_file.smollm2() is None:
        faults.append(
            f"SmolLM2's weights are not here: {gguf_file.GET_SMOLLM2}; without a network: "
            "python -m models.llama_mob.tools.carry"
        )
    raise_all(faults)


def raise_all(faults: Sequence[str]) -> None:
    """Raise UserError if there are faults."""
    if faults:
        raise UserError(*faults)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.gpu", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--part", type=int, choices=(1, 2), help="1: SmolLM2; 2: LP-BERT and the 8B shape")
    which.add_argument("--rehearse", action="store_true", help="both parts at a small shape, on a CPU")
    parser.add_argument("--minutes", type=float, default=7.5, help="a part ends after these")
    parser.add_argument(
        "--tokens", type=float, default=32.0, help="millions that SmolLM2 learns from in all fits together"
    )
    parser.add_argument("--most", type=float, default=15.0, help="megabytes of a file of weights that is copied")
    parser.add_argument("--to", type=Path, default=Path("gpu"), help="folder for all that is written")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the parts asked for; exit code 1 if a command failed, 2 for what the user can mend, 130 if interrupted.

    An end from outside (SIGTERM) is an interrupt too: commands under way are stopped first.
    """
    given = options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check(given)
        outcomes = []
        for number in (given.part,) if given.part else (1, 2):
            done = part(number, given)
            gathering.gather(number, done, given.to, given.most)
            Console().print((given.to / f"part-{number}.md").read_text(encoding="utf-8"), markup=False, soft_wrap=True)
            outcomes += done
    except UserError as error:
        print("\n".join(f"error: {message}" for message in error.messages), file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: what was done is kept; the same command goes on", file=sys.stderr)
        raise SystemExit(130) from None
    if any(outcome.failed for outcome in outcomes):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
