"""Ship the LoRAs that a protocol's fits learned: 16-bit weights by the identity of their fit, and a card.

    python -m models.llama_mob.tools.ship zero_shot --scale smollm2 --model 'SmolLM2 LoRA' --hardware '2 cores of ...'

It runs the protocol for one test user a city, so that the fits are those of any run; a run that was stopped goes on.
Later runs take a shipped fit up where their own would have the same identity (bench/running/plan.py). To make one anew,
delete its folder here and in the store of ``--out``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from tabulate import tabulate

import bench
from bench.errors import UserError
from bench.files import write_text, write_with
from bench.protocol.schema import Protocol
from bench.records.record import Record
from bench.records.store import Store, read_json, write_json
from models.llama_mob import NOTES, LlamaMob
from models.llama_mob.tuning import kept, lora

MOST_MB = 12.0
FILES = {lora.WEIGHTS, lora.CONFIG, NOTES, "fit.json"}
CARD = """# LoRAs that ship: {model}

Fits of `{model}` in protocol `{protocol}`. A run takes one up where its own fit would have the same identity: adapter
and version, base with its weights' checksum, settings, precision, seed, window, rows of training and validation users.
Its row then says "shipped fit". Where anything differs, a run fits as usual.

- **Base.** {base}. Licence: {licence}.
- **People.** Synthetic people alone ({source}), days {days}.
- **Weights.** Rank {rank}, alpha {alpha}, on {targets}: {parameters:,} parameters a fit, in float16,
  {megabytes:.1f} MB together. They were learned in float32 beside a base in {precision}.
- **Loss.** Nats of a number of the answer, mean over the validation users: before (the base as it is) and after (the
  weights that were kept). Epoch 0 is the base as it is.

{table}

Made by `{command}`
"""


def ship(protocol: Protocol, out: Path, to: Path, hardware: str, licence: str, command: str) -> list[str]:
    """Run a protocol of one model, and put its fits and their card into ``to``, in place of what was there.

    Return the fits' identities. Raises UserError where one failed, learned from real people or holds more than a LoRA.
    """
    records = bench.run(protocol, out).records
    for record in records:
        _check(record)
    fits = {record.identity.fit: record for record in records}
    with TemporaryDirectory() as folder:
        made = Path(folder)
        for fit_id in fits:
            _copy(Store(out / "store").fit(fit_id), made / fit_id, hardware)
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file()) / 1e6
        if size > MOST_MB:
            raise UserError(f"the fits take {size:.1f} MB, more than {MOST_MB:g}: take a lower rank or fewer targets")
        write_text(made / "README.md", _card(fits, made, licence, command, size))
        part = to.with_name(f".{to.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(made, part)
        shutil.rmtree(to, ignore_errors=True)
        part.rename(to)
    return list(fits)


def _check(record: Record) -> None:
    where = f"{record.case.model} ({'+'.join(record.case.train_cities)})"
    if record.status != "done":
        raise UserError(f"{where}: {record.status}: {record.reason}")
    if record.data is None or not record.data.synthetic:
        raise UserError(f"{where}: learned from real people; only fits on synthetic people ship")
    if record.case.settings.get("tuning") != "lora" or record.case.adapter != LlamaMob.name:
        raise UserError(f"{where}: is no LoRA of {LlamaMob.name}; name its model by --model")


def _copy(fit: Path, to: Path, hardware: str) -> None:
    """Write a fit with its matrices in float16; one that was taken up from here before stays as it is."""
    if {path.name for path in fit.iterdir()} != FILES:
        raise UserError(f"{fit}: holds other files than {', '.join(sorted(FILES))}; only plain LoRAs ship")
    facts, about = kept.notes(fit / NOTES), read_json(fit / "fit.json")
    shutil.copytree(fit, to)
    if "shipped" in facts:
        return
    halved = {name: matrix.to(torch.float16).contiguous() for name, matrix in kept.weights(fit / lora.WEIGHTS).items()}
    write_with(to / lora.WEIGHTS, lambda part: save_file(halved, part, metadata={"format": "pt"}))
    kept.weights(to / lora.WEIGHTS)  # what is too large for 16 bits is infinite now, and refused
    said = facts | {"shipped": f"float16, fitted in {about['fit_seconds']:.0f} s on {hardware}"}
    write_text(to / NOTES, json.dumps(said, indent=1) + "\n")
    write_json(to / "fit.json", {**dict.fromkeys(about), "confined": about["confined"]})  # no cost of later machines


def _card(fits: Mapping[str, Record], folder: Path, licence: str, command: str, megabytes: float) -> str:
    rows = []
    for fit_id in fits:
        facts = kept.notes(folder / fit_id / NOTES)
        losses = [facts.get("start_loss", "–"), facts.get("validation_loss", "–")]
        epoch = facts.get("best_epoch", facts["epochs"])
        rows.append([f"`{fit_id}`", facts["mix"], f"{epoch} of {facts['epochs']}", *losses, facts["shipped"]])
    record = fits[fit_id]  # they differ in their training users alone
    case, data, settings = record.case, record.data, record.case.settings
    weights = kept.weights(folder / fit_id / lora.WEIGHTS)
    first, last = case.history[0], case.horizon[1]
    return CARD.format(
        model=case.model,
        protocol=case.protocol + ("" if case.scale == "default" else f" --scale {case.scale}"),
        base=settings["base"],
        licence=licence,
        source=data.source if data else "",
        days=f"{first}-{last}" if settings["history_days"] is None else _days(case.horizon, settings["history_days"]),
        rank=settings["rank"],
        alpha=settings["alpha"] or settings["rank"],
        targets=", ".join(settings["targets"]),
        parameters=sum(matrix.numel() for matrix in weights.values()),
        megabytes=megabytes,
        precision=record.numerics["precision"],
        table=tabulate(
            rows,
            ["fit", "city: people", "epoch kept", "loss before", "loss after", "made"],
            tablefmt="pipe",
            disable_numparse=True,
        ),
        command=command,
    )


def _days(horizon: Sequence[int], history_days: int) -> str:
    return f"{horizon[0]}-{horizon[1]} and the last {history_days} seen before"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.ship", description=about)
    parser.add_argument("protocol", nargs="?", default="zero_shot", help="whose fits ship")
    parser.add_argument("--scale", default="smollm2", help="of the protocol")
    parser.add_argument("--model", default="SmolLM2 LoRA", help="its name there")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="as of bench run")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where it runs, and goes on")
    parser.add_argument("--to", type=Path, default=LlamaMob.shipped, help="the folder of shipped fits; it is replaced")
    parser.add_argument("--hardware", required=True, help="for the card, e.g. '2 cores of an AMD EPYC'")
    parser.add_argument("--licence", default="Apache-2.0, that of the base", help="for the card")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, ship, and say what ships."""
    given: Any = options(arguments)
    overrides = ["users.test=1", *given.overrides]
    protocol = bench.load_protocol(given.protocol, scale=given.scale, only=[given.model], overrides=overrides)
    said = [f"--set '{text}'" for text in given.overrides]
    command = " ".join(["python -m models.llama_mob.tools.ship", f"{given.protocol} --scale {given.scale}", *said])
    for fit_id in ship(protocol, given.out, given.to, given.hardware, given.licence, command):
        print(given.to / fit_id)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
