"""llama_mob: a language model tuned on questions and answers about trajectories.

Tang et al., "Instruction-Tuning Llama-3-8B Excels in City-Scale Mobility Prediction" (arXiv 2410.23692). The base is a
Llama of any size: a tiny one ships with the project. Answers are text; unless ``decoding.mode`` is ``free`` they keep
to a template, so that only the cells are left to the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.adapters import adapter
from bench.adapters.adapter import Adapter, Context, Needs, Split
from bench.adapters.origin import GENERATOR, Learning, Tuned, constants_tuned
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.errors import UserError
from bench.evaluation.probabilities import Probabilities
from bench.files import write_text
from models.llama_mob.prompts import shots
from models.llama_mob.settings import LlamaMobSettings

if TYPE_CHECKING:
    from models.llama_mob.answering import Engines
    from models.llama_mob.base.base import Loaded
    from models.llama_mob.tuning.fit import Learned

PACKAGES = ("torch", "transformers", "peft", "accelerate", "filelock", "tokenizers", "safetensors", "gguf")
TINY_START = Learning(
    start="pretrained",
    hand_set="a tiny decoder's first two layers, so that they copy cells of records at a near hour",
    pretrained_on="synthetic people",
)
NOTES, ALL_WEIGHTS = "llama_mob.json", "weights.safetensors"


class LlamaMob(Adapter):
    """Reads a user's records and the points asked for as a prompt, and writes the cells."""

    name: ClassVar[str] = "llama_mob"
    version: ClassVar[int] = 3
    Settings: ClassVar[type[adapter.Settings]] = LlamaMobSettings
    needs: ClassVar[Needs] = Needs(PACKAGES, "mobility-bench[llm]", cpu_gb=2.0)
    batch_users: ClassVar[int] = 64
    knows_worlds: ClassVar[bool] = True
    in_context = True
    shipped: ClassVar[Path | None] = Path(__file__).parent / "shipped"
    settings: LlamaMobSettings

    def __init__(self, settings: adapter.Settings | None = None) -> None:
        super().__init__(settings)
        self.settings = self.settings.pinned()
        if self.settings.tuning == "none" and not self.settings.shots:
            self.learns_from = "nothing"  # type: ignore[misc]
        if self.settings.shots:  # an example of another grid would mislead
            self.knows_worlds = False  # type: ignore[misc]
        tuned_in_8_bits = self.settings.tuning != "none" and self.settings.optimizer == "adamw_8bit"
        if self.settings.quantize or tuned_in_8_bits:
            packages, cuda = (*PACKAGES, "bitsandbytes"), bool(self.settings.quantize)
            self.needs = Needs(packages, "mobility-bench[quantize]", cuda=cuda, cpu_gb=2.0)  # type: ignore[misc]
        self._learned: Learned | None = None
        self._shown: Trajectories | None = None
        self._ready: Loaded | None = None
        self._facts: dict[str, int | float | str] = {}
        self._spent: dict[str, float] = {}
        self._engines: Engines = {}

    def seen(self) -> tuple[str, ...]:
        """Return the cities that a published LoRA was tuned on; the bases have seen none of the harness's people."""
        return self.settings.trained_on

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whom the tiny base comes from; of other bases nothing is known but ``trained_on``."""
        if self.settings.base != "tiny" or self.settings.weights != "pretrained":
            return ()
        return (GENERATOR, constants_tuned("kernel_vote's constants, to which the start's layers were set by hand"))

    def precision(self, device: str) -> str:
        """Return bfloat16 on CUDA and float32 on CPU unless the settings say otherwise."""
        from models.llama_mob.base.preflight import precision

        return precision(self.settings, device)

    def skip(self, split: Split) -> str | None:
        """Refuse a split without training users of a city of the mix, and a base that cannot be run or had here.

        A broken base is no reason to skip: the case fails when it is loaded.
        """
        from models.llama_mob.base.folders import Unreachable
        from models.llama_mob.base.preflight import Lacking, preflight

        there = {city for city, _uid in split.train.users}
        if self.learns_from != "nothing" and not there:
            return f"{'shots' if self.settings.tuning == 'none' else 'tuning'} needs training users; the split has none"
        lacking = sorted(city for city, share in (self.settings.mix or {}).items() if share > 0 and city not in there)
        if lacking and self.settings.tuning != "none":
            return f"its mix names the city {lacking[0]}, where the split has no training users"
        try:
            preflight(self.settings, self.device)
        except (Lacking, Unreachable) as error:
            return str(error)
        except UserError:
            return None
        return None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Draw the users to show; tune on the others' windows: of the epochs the best on validation users is kept."""
        self._ready = None
        self._shown = shots.draw(train, self.settings.shots, ctx) if self.settings.shots else None
        if self.settings.tuning != "none":
            from models.llama_mob.tuning.fit import tune

            self._learned, self._facts = tune(train, validate, self.settings, ctx, self.precision(ctx.device))

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer all users, some at a time; a user without a history gets ``missing``."""
        from models.llama_mob.answering import Answering

        ready = self._made_ready(ctx)
        asked = Answering(ready.model, ready.tokens, self.settings, ctx, self._engines, self._shown)
        answers, self._spent = asked.answer(history, queries)
        return answers

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> Probabilities:
        """Return how likely each x is and, given the x that is shown, each y; the queries before are read as shown."""
        from models.llama_mob.answering import Answering

        if shown is None:
            raise ValueError("a written answer's probabilities hang on the cells before")
        ready = self._made_ready(ctx)
        asking = Answering(ready.model, ready.tokens, self.settings, ctx, shown=self._shown)
        return asking.probabilities(history, queries, shown)

    def save(self, folder: Path) -> None:
        """Write the LoRA in peft's own files, or all weights, and the facts; the users who are shown, if any."""
        if self._shown is not None:
            shots.save(self._shown, folder)
        if self._learned is None:
            return
        if self.settings.tuning == "lora":
            from models.llama_mob.tuning import lora

            lora.save(self._learned, self.settings, folder)
        else:
            from safetensors.torch import save_file

            save_file(self._learned, folder / ALL_WEIGHTS)
        write_text(folder / NOTES, json.dumps(self._facts, indent=1) + "\n")

    def load(self, folder: Path) -> None:
        """Read what save wrote, whole or not at all; the base is read when it is asked."""
        self._ready = None
        if self.settings.shots:
            self._shown = shots.load(folder, self.settings.shots)
        if self.settings.tuning == "none":
            return
        from models.llama_mob.tuning import kept, lora

        whole = self.settings.tuning == "full"
        self._learned = kept.weights(folder / ALL_WEIGHTS) if whole else lora.load(folder, self.settings)
        self._facts = kept.notes(folder / NOTES)

    def facts(self) -> Mapping[str, int | float | str]:
        """Return parameters, trajectories, steps, losses with their curve, validation losses; see ``tuning.fit``."""
        return {**self._facts, **({"shots": self.settings.shots} if self.settings.shots else {})}

    def learning(self) -> Learning:
        """Return the base as the start, and the epoch that was kept."""
        start, facts = self._start(), self._facts
        if self.settings.tuning == "none" or "steps" not in facts:
            return start
        epochs = int(facts["epochs"])
        return start.after(
            epochs=epochs,
            kept_epoch=int(facts.get("best_epoch", epochs)),
            kept_step=int(facts.get("kept_step", facts["steps"])),
        )

    def _start(self) -> Learning:
        settings = self.settings
        if settings.weights == "random" or (settings.weights == "shuffled" and settings.base == "tiny"):
            return Learning(start="random")
        if settings.base == "tiny":
            return TINY_START
        changed = ", with tokens for numbers added" if settings.numbers == "added" else ""
        changed += ", each tensor's entries shuffled" if settings.weights == "shuffled" else ""
        changed += ", its digits permuted" if settings.permute_digits else ""
        if settings.base == "smollm2":
            read = f"text of the web (SmolLM2-135M-Instruct, in 4 bits){changed}"
            return Learning(start="pretrained", pretrained_on=read)
        known = f", then tuned on {'+'.join(settings.trained_on)}" if settings.trained_on else ""
        return Learning(start="pretrained", pretrained_on=f"unknown data ({Path(settings.base).name}){known}{changed}")

    def usage(self) -> Mapping[str, float]:
        """Return tokens, passes and seconds of the last call; where text was free, its faults."""
        return self._spent

    def _made_ready(self, ctx: Context) -> Loaded:
        """Return the base with what was learned in it."""
        if self._ready is None:
            self._engines = {}
            from models.llama_mob.base import base
            from models.llama_mob.tuning.fit import put

            loaded = base.load(self.settings, ctx)
            self._facts = self._facts or dict(loaded.facts)
            self._ready = put(loaded, self._learned, self.settings)
        return self._ready
