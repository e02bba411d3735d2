"""Ship what pretraining made: weights, log, loss curve and model card.

python -m baselines.lp_bert.export --run pretraining --out baselines/lp_bert/pretrained --hardware '1 CPU core'
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import torch

from baselines.lp_bert.heldout import SEED, WINDOWS, held_out
from baselines.lp_bert.model import LPBert, Shape
from baselines.lp_bert.pretrain import FIRST_SEED, beginning
from baselines.lp_bert.store import load_state, save_weights
from baselines.lp_bert.train import Trainer
from bench.files import write_text

CARD = """# LP-BERT, pretrained on synthetic cities

What it is: weights of the published LP-BERT architecture (2,456,880 parameters, no city embedding), the start of
`lp_bert` with `init: pretrained`. It has seen no real person: all its users come from `bench/data/sources/synthetic`.

What it is not: the LP-BERT of the HuMob challenges, which was trained on the challenges' users for 200 epochs. A score
reached from these weights is a score of this start plus the fine-tuning, and the leaderboard says so (`init`).

- **Start.** Not random: embeddings and attention are set so that the network votes over the user's own history from
  the first step on (`start.py` says how; its constants were found by a random search of a few minutes for GEO-BLEU on
  synthetic users of seeds 998000-998002). The first row of the log scores this start before any training.
- **Data.** Synthetic cities A-D of seeds drawn from {first} on (protocols use small seeds), 100 users a city,
  mirrored, turned and moved at random; windows of 7 to 60 days with 2 to 15 hidden days. Held out: seed {held}.
- **Training.** `pretrain.py`: AdamW, {rate:g}, gradient norm at most 1, no dropout, bfloat16 matrix products; shipped
  are the weights {blend:.0%} of the way from the start to the running average of the trained ones: training for single
  points raised exact cells and lost some of GEO-BLEU, and between the two held-out GEO-BLEU was best.
  {step:,} steps, {users:,} windows of users, {tokens:,} rows, {hours:.1f} hours on {hardware}.
  {feed} {note}
- **Made again by** `python -m baselines.lp_bert.pretrain --out DIR --stage attention --threads 1`, then
  `python -m baselines.lp_bert.export --run DIR --out DIR2 --hardware '...'`.

GEO-BLEU (humob24) / exact cells on held-out synthetic users, without fine-tuning, beside statistics of the same users:

| days seen + predicted | {names} |
|---|{rule}
{rows}

The log is `log.csv`, the curve `curve.png`. Limits: the 200 x 200 grid and days 0-74 of HuMob with their calendar
(weekends at d % 7 in {{0, 6}}, and holidays); habits no richer than the synthetic people's; x and y are predicted
apart, so that an answer can mix two places.
"""
UNFED = """The feed-forward layers are still at zero (`--stage attention`): trained were embeddings, attention,
  norms and heads, 0.35 of the 2.46 million parameters. Fine-tuning trains all."""
FED = "All parameters were trained."
BESIDE = ("user_mode", "slot_mode", "kernel_vote")


def export(run: Path, out: Path, hardware: str, blend: float, note: str) -> None:
    """Write weights, log, curve and card of a pretraining run into ``out``.

    blend: share of the way from the start to the average of the trained weights at which the shipped ones lie.
    """
    out.mkdir(parents=True, exist_ok=True)
    kept, trainer = LPBert(Shape()), Trainer(LPBert(Shape()), 1.0, "proximity", "float32")
    done = load_state(run, trainer, kept)
    start, _ = beginning()
    with torch.no_grad():
        torch._foreach_lerp_(list(kept.parameters()), list(start.parameters()), 1.0 - blend)
    save_weights(kept, out / "lp_bert.safetensors")
    shutil.copyfile(run / "log.csv", out / "log.csv")
    with (out / "log.csv").open(encoding="utf-8") as file:
        log = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    _curve(log, out / "curve.png")
    counts = {key: int(done[key]) for key in ("step", "users", "tokens")}
    names = ("these weights", "before training", *BESIDE)
    card = CARD.format(
        **counts,
        first=FIRST_SEED,
        held=SEED,
        rate=done["rate"],
        hours=done["seconds"] / 3600,
        hardware=hardware,
        blend=blend,
        note=note,
        feed=UNFED if all(not layer.narrow.weight.any() for layer in kept.encoder()) else FED,
        names=" | ".join(names),
        rule="---|" * len(names),
        rows="\n".join(_rows(kept, start)),
    )
    write_text(out / "README.md", card)


def _rows(kept: LPBert, start: LPBert) -> list[str]:
    """One line per window: these weights, the start, and the statistics, each GEO-BLEU / accuracy."""
    lines = []
    for name, people in held_out().items():
        models = [people.of_model(model, "float32") for model in (kept, start)]
        scores = [*models, *(people.of_baseline(other) for other in BESIDE)]
        seen, hidden = WINDOWS[name]
        lines.append(f"| {seen} + {hidden} | {' | '.join(f'{bleu:.3f} / {exact:.3f}' for bleu, exact in scores)} |")
    return lines


def _curve(log: list[dict[str, float]], path: Path) -> None:
    """Draw loss and GEO-BLEU over the users seen."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    users = [row["users"] for row in log]
    left.plot(users, [row["loss"] for row in log])
    left.set(xlabel="windows of users", ylabel="cross-entropy of x plus y")
    for name, (seen, hidden) in WINDOWS.items():
        right.plot(users, [row[f"{name}_geobleu"] for row in log], label=f"{seen} + {hidden} days")
    right.set(xlabel="windows of users", ylabel="GEO-BLEU, held-out users")
    right.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder that pretrain.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--hardware", required=True, help="for the card, e.g. '1 core of an AMD EPYC'")
    parser.add_argument("--blend", type=float, default=0.4, help="from 0, the start, to 1, the trained weights")
    parser.add_argument("--note", default="", help="a sentence for the card")
    export(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
