"""Ship what pretraining made: weights, configuration, log, loss curve and model card of the tiny base.

python -m models.llama_mob.tools.export --run pretraining --hardware '1 CPU core'
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from bench.adapters.registry import make
from bench.errors import UserError
from bench.files import write_text, write_with
from bench.training import curves, heldout
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.pretraining.corpus import DAYS_ASKED, DAYS_SEEN, WHOLE_SHARE
from models.llama_mob.pretraining.pretrain import HELD_OUT_USERS, average, begin
from models.llama_mob.settings import TINY

CARD = """# The tiny base: a small Llama, pretrained on synthetic cities

What it is: a `LlamaForCausalLM` of {parameters:,} parameters ({layers} layers, width {width}, {heads} heads over
{kv} key-value heads, float32) with a tokenizer of {vocabulary:,} tokens, so that every part of `llama_mob` runs on a
laptop. It has seen prompts about synthetic people only, never a real one.

What it is not: Llama 3. It knows no language beyond the prompts of this project, and what it scores says nothing of
what Llama-3-8B-Mob would score. Results from it are marked by the base's name in every record. Nor did it find out by
itself how to copy cells: its first two layers were set to do so before training (the start, below).

- **Start.** `start.py`: the first layer's heads look one to three tokens back, the second layer's attend to records at
  a near timeslot, on the same kind of day and weekday, recent ones first, and bring their cells; the rest begins small
  and at random. Its constants are those of `kernel_vote`, which were tuned on days 45-59 of city B (HuMob 2024).
- **Data.** Synthetic cities A-D (`bench/data/sources/synthetic`) of seeds drawn from {first:,} on (protocols use small
  seeds; {held:,} is held out), 100 people a city, their places mirrored, turned and moved at random. Windows of
  {days[0]} to {days[1]} days seen and {asked[0]} to {asked[1]} predicted, {whole:.0%} of them of the most of both; the
  instruction's parts and the answer's format drawn anew for every few batches. Each cell of the answer is read as one
  that the person was in at about that hour before, whatever the truth is, so that the model does not trust what it
  wrote: it predicts each hour by itself.
- **Training.** `pretrain.py`: next-token loss on cells to predict (half a weight for those at their places in the
  question, .02 for known tokens of the answer); AdamW; the shipped weights are a running average.
  {step:,.0f} steps, {tokens:,.0f} tokens, {minutes:.3g} minutes on {hardware}. {note}
- **Made again by** `python -m models.llama_mob.tools.make_tokenizer`,
  `python -m models.llama_mob.pretraining.pretrain --out DIR` (`--steps {step}`, on such hardware) and
  `python -m models.llama_mob.tools.export --run DIR --hardware '...'`.

GEO-BLEU (humob24) / exact cells on held-out synthetic people, without any tuning, beside its start and statistics of
the same people:

{table}

The log is `log.csv` (loss and share of right numbers on held-out people: x the true one, y that of the x which was
read); the curve is `curve.svg`.
Limits: the 200 x 200 grid and days 0-74 of HuMob with their calendar; answers in rows `d t x y` (the other formats were
a fourth of the training and no part of the start); habits no richer than the synthetic people's.
"""


def export(run: Path, hardware: str, note: str) -> None:
    """Write the files of the tiny base into its folder, when all of them are made. Raises UserError without a run."""
    tokens = Tokens.load(TINY)
    model, progress = average(run, tokens)
    with TemporaryDirectory() as folder:
        start, made = Path(folder) / "start", Path(folder) / "made"
        for path in (start, made):
            path.mkdir()
            shutil.copyfile(TINY / "tokenizer.json", path / "tokenizer.json")
        _write(begin(tokens), start)
        _write(model, made)
        shutil.copyfile(run / "log.csv", made / "log.csv")
        _curve(made / "log.csv", made / "curve.svg")
        write_text(made / "README.md", _card(model, progress, made, start, hardware, note))
        for path in made.iterdir():
            shutil.copyfile(path, TINY / path.name)


def _write(model: LlamaForCausalLM, folder: Path) -> None:
    """Write a model's configuration and weights as transformers reads them."""
    model.config.architectures = ["LlamaForCausalLM"]
    write_text(folder / "config.json", model.config.to_json_string(use_diff=True))
    weights = {name: value.detach().contiguous() for name, value in model.named_parameters()}
    write_with(folder / "model.safetensors", lambda part: save_file(weights, part, metadata={"format": "pt"}))


def _card(
    model: LlamaForCausalLM, progress: Mapping[str, Any], made: Path, start: Path, hardware: str, note: str
) -> str:
    shape = model.config
    models = {
        "this base": make("llama_mob", {"tuning": "none", "base": str(made)}),
        "in one pass": make("llama_mob_parallel", {"tuning": "none", "base": str(made)}),
        "its start": make("llama_mob", {"tuning": "none", "base": str(start)}),
    } | {name: make(name) for name in heldout.STATISTICS}
    people = heldout.held_out(HELD_OUT_USERS)
    rows = {heldout.LABELS[name]: [some.of_adapter(each) for each in models.values()] for name, some in people.items()}
    return CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        layers=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        kv=shape.num_key_value_heads,
        vocabulary=shape.vocab_size,
        first=heldout.FIRST_SEED,
        held=heldout.HELD_OUT_SEED,
        days=DAYS_SEEN,
        asked=DAYS_ASKED,
        whole=WHOLE_SHARE,
        step=progress["step"],
        tokens=progress["counts"]["tokens"],
        minutes=progress["seconds"] / 60,
        hardware=hardware,
        note=note,
        table=curves.score_table("days seen + predicted", models, rows),
    )


def _curve(log: Path, path: Path) -> None:
    """Draw loss and share of right numbers over the tokens read."""
    names = {name: f"{label} days" for name, label in heldout.LABELS.items()}
    panels = [
        curves.Panel("loss of a cell's number", {f"{name}_loss": label for name, label in names.items()}),
        curves.Panel("share of right numbers", {f"{name}_accuracy": label for name, label in names.items()}),
    ]
    curves.draw(log, path, lambda row: row["tokens"] / 1e6, "million tokens", panels)


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder that pretrain.py wrote")
    parser.add_argument("--hardware", required=True, help="for the card, e.g. '1 core of an AMD EPYC'")
    parser.add_argument("--note", default="", help="a sentence for the card")
    given = parser.parse_args()
    try:
        export(**vars(given))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
