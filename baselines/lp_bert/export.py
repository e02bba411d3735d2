"""Ship what pretraining made: weights, log, loss curve and model card.

python -m baselines.lp_bert.export --run pretraining --out baselines/lp_bert/pretrained --hardware '1 CPU core'
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

from baselines.lp_bert.model import LPBert
from baselines.lp_bert.pretrain import HELD_OUT_USERS, Begin, average, beginning, nats, score
from baselines.lp_bert.store import save_weights
from bench.adapters.adapter import Context
from bench.adapters.registry import make
from bench.data.world import Grid
from bench.errors import UserError
from bench.evaluation.probabilities import check, losses
from bench.files import write_text
from bench.training import curves, heldout

CARD = """# LP-BERT, pretrained on synthetic cities

{what}

- **Start.** {start}
- **Data.** Synthetic cities A-D of seeds drawn from {first} on (protocols use small seeds), 100 users a city,
  mirrored, turned and moved at random; windows of 7 to 60 days with 2 to 15 hidden days. Held out: seed {held}.
- **Training.** `pretrain.py`: AdamW, gradient norm at most 1, no dropout, bfloat16 matrix products. {kept}
  {step:,} steps, {users:,} windows of users, {tokens:,} rows, {hours:.1f} hours on {hardware}.
  {feed} {note}
- **Made again by** `python -m baselines.lp_bert.pretrain --out DIR --steps {step} {options}`, then
  `python -m baselines.lp_bert.export --run DIR --out DIR2 --hardware '...'`.

GEO-BLEU (humob24) / exact cells on held-out synthetic users, without fine-tuning, beside statistics of the same users:

{table}

Nats a cell of the same users (a uniform guess costs 10.6):

{nats}

The log is `log.csv`, the curve `curve.png`. Limits: the 200 x 200 grid and days 0-74 of HuMob with their calendar
(weekends at d % 7 in {{0, 6}}, and holidays); habits no richer than the synthetic people's; x and y are predicted
apart, so that an answer can mix two places.
"""
WHAT = {
    "votes": """What it is: weights of the published LP-BERT architecture (2,456,880 parameters, no city embedding), the
start of `lp_bert` with `init: pretrained`. It has seen no real person: all its users come from
`bench/data/sources/synthetic`.

What it is not: the LP-BERT of the HuMob challenges, which was trained on the challenges' users for 200 epochs. A score
reached from these weights is a score of this start plus the fine-tuning, and the leaderboard says so (`init`).""",
    "random": """What it is: the published LP-BERT architecture (2,456,880 parameters, no city embedding) trained from
random weights on synthetic people alone. `lp_bert` uses the hand-set start instead, unless the table below says that
these weights beat it.""",
}
STARTS = {
    "votes": """Not random: embeddings and attention are set so that the network votes over the user's own history from
  the first step on (`start.py` says how; its constants were found by a random search of a few minutes for GEO-BLEU on
  synthetic users of seeds 998000-998002). The first row of the log scores this start before any training.""",
    "random": """Random weights; all layers begin as copies of one, as in the public code. Windows of 7 days come first;
  they reach the full length at half of the steps.""",
}
KEPT = {
    "votes": """Shipped are the
  weights {blend:.0%} of the way from the start to the running average of the trained ones: training for single points
  raised exact cells and lost some of GEO-BLEU, and between the two held-out GEO-BLEU was best.""",
    "random": "Kept is\n  the running average of the weights.",
}
UNFED = """The feed-forward layers are still at zero (`--stage attention`): trained were embeddings, attention,
  norms and heads, 0.35 of the 2.46 million parameters. Fine-tuning trains all."""
FED = "All parameters were trained."


def export(
    run: Path,
    out: Path,
    hardware: str,
    blend: float,
    note: str,
    begin: Begin = "votes",
    options: str = "--stage attention",
) -> None:
    """Write weights, log, curve and card of a pretraining run into ``out``.

    begin: what the run began with. blend: share of the way from the hand-set start to the average of the trained
    weights at which the kept ones lie; from random weights the average itself is kept.
    """
    (kept, progress), start = average(run), beginning()
    out.mkdir(parents=True, exist_ok=True)
    if begin == "votes":
        with torch.no_grad():
            torch._foreach_lerp_(list(kept.parameters()), list(start.parameters()), 1.0 - blend)
    save_weights(kept, out / "lp_bert.safetensors")
    shutil.copyfile(run / "log.csv", out / "log.csv")
    _curve(out / "log.csv", out / "curve.png")
    card = CARD.format(
        **progress["counts"],
        step=progress["step"],
        first=heldout.FIRST_SEED,
        held=heldout.HELD_OUT_SEED,
        hours=progress["seconds"] / 3600,
        hardware=hardware,
        what=WHAT[begin],
        start=STARTS[begin],
        kept=KEPT[begin].format(blend=blend),
        options=options,
        note=note,
        feed=UNFED if all(not layer.narrow.weight.any() for layer in kept.encoder()) else FED,
        table=_table(kept, start),
        nats=_nats(kept, start),
    )
    write_text(out / "README.md", card)


def _table(kept: LPBert, start: LPBert) -> str:
    """Compare these weights with the start and with statistics."""
    models, statistics = {"these weights": kept, "hand-set start": start}, heldout.STATISTICS
    rows = {
        heldout.LABELS[name]: [
            *(score(model, some, "float32") for model in models.values()),
            *(some.of_adapter(make(other)) for other in statistics),
        ]
        for name, some in heldout.held_out(HELD_OUT_USERS).items()
    }
    return curves.score_table("days seen + predicted", (*models, *statistics), rows)


def _nats(kept: LPBert, start: LPBert) -> str:
    """Compare the losses of these weights, the hand-set start and kernel votes."""
    lines = ["| days seen + predicted | these weights | hand-set start | kernel_vote |", "|---|---|---|---|"]
    for name, some in heldout.held_out(HELD_OUT_USERS).items():
        votes = make("kernel_vote").probabilities(some.history, some.truth.queries(), Context())
        found = [nats(model, some, "float32") for model in (kept, start)]
        found.append(float(losses(check(votes, some.truth.queries(), Grid()), some.truth, Grid()).mean()))
        lines.append(f"| {heldout.LABELS[name]} | {' | '.join(f'{value:.2f}' for value in found)} |")
    return "\n".join(lines)


def _curve(log: Path, path: Path) -> None:
    """Draw loss and GEO-BLEU over the users seen."""
    panels = [
        curves.Panel("loss", {"loss": ""}),
        curves.Panel(
            "GEO-BLEU, held-out users",
            {f"{name}_geobleu": f"{label} days" for name, label in heldout.LABELS.items()},
        ),
    ]
    curves.draw(log, path, lambda row: row["users"], "windows of users", panels)


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder that pretrain.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--hardware", required=True, help="for the card, e.g. '1 core of an AMD EPYC'")
    parser.add_argument("--begin", choices=("votes", "random"), default="votes", help="what the run began with")
    parser.add_argument("--options", default="--stage attention", help="of pretrain.py, for the card")
    parser.add_argument("--blend", type=float, default=0.4, help="from 0, the start, to 1, the trained weights")
    parser.add_argument("--note", default="", help="a sentence for the card")
    try:
        export(**vars(parser.parse_args()))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
